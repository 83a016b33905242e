// A cubic filter within a plane.

float sampled(vec3 coord) {
    vec2 pixel = coord.xy * u_atlas_shape.xy - 0.5;
    vec2 part = fract(pixel);
    vec3 first = vec3((pixel - part - 0.5) * g_texel.xy, coord.z);
    return plane_at(first, weights(part.x), weights(part.y));
}
