// A cubic filter in a volume from 64 reads: for the few samples of a slab, and where a value decides what is a surface.

// Places beyond the border are not brought back: the weights, which do not quite add up to 1, depend on where between
// two pixels they lie. Reads are.
const float RIM = -4.0;

float sampled(vec3 coord) {
    vec3 pixel = coord * u_atlas_shape - 0.5;
    vec3 part = fract(pixel);
    vec4 x, y, z;
    weigh(part, x, y, z);
    vec3 first = (pixel - part - 0.5) * g_texel;
    vec3 step = vec3(0.0, 0.0, g_texel.z);
    vec2 above = vec2(plane_at(first, x, y), plane_at(first + step, x, y));
    return dot(z, vec4(above, plane_at(first + 2.0 * step, x, y), plane_at(first + 3.0 * step, x, y)));
}
