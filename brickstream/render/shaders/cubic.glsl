// A cubic filter from eight linear reads: each of them gives two neighbours along every axis, in the ratio of their
// weights, which are all positive (Sigg and Hadwiger, GPU Gems 2, chapter 20). The atlas has linear sampling.

const float RIM = -0.5;         // so far inside the border of the level values change no more

float sampled(vec3 coord) {
    vec3 pixel = coord * u_atlas_shape - 0.5;
    vec3 part = fract(pixel);
    vec4 x, y, z;
    weigh(part, x, y, z);
    vec3 left = vec3(x.r + x.g, y.r + y.g, z.r + z.g);
    vec3 right = vec3(x.b + x.a, y.b + y.a, z.b + z.a);
    vec3 low = (pixel - part + vec3(x.g, y.g, z.g) / left - 0.5) * g_texel;
    vec3 high = (pixel - part + vec3(x.a, y.a, z.a) / right + 1.5) * g_texel;
    vec2 near = vec2(texel(low), texel(vec3(low.xy, high.z)));
    vec2 below = vec2(texel(vec3(low.x, high.y, low.z)), texel(vec3(low.x, high.yz)));
    vec2 right_near = vec2(texel(vec3(high.x, low.yz)), texel(vec3(high.x, low.y, high.z)));
    vec2 right_below = vec2(texel(vec3(high.xy, low.z)), texel(high));
    vec2 rows = left.x * (left.y * near + right.y * below) + right.x * (left.y * right_near + right.y * right_below);
    return left.z * rows.x + right.z * rows.y;
}
