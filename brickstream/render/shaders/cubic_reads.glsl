// Four times four pixels, each read by itself: the sampler's own linear filter may round its weights to eight bits,
// which is seen where few samples make a pixel.

float kept_texel(vec3 coord) {
    return texel(clamp(coord, g_first, g_last));
}

float row_at(vec3 first, vec4 x) {
    vec3 step = vec3(g_texel.x, 0.0, 0.0);
    vec2 left = vec2(kept_texel(first), kept_texel(first + step));
    return dot(x, vec4(left, kept_texel(first + 2.0 * step), kept_texel(first + 3.0 * step)));
}

float plane_at(vec3 first, vec4 x, vec4 y) {
    vec3 step = vec3(0.0, g_texel.y, 0.0);
    vec2 above = vec2(row_at(first, x), row_at(first + step, x));
    return dot(y, vec4(above, row_at(first + 2.0 * step, x), row_at(first + 3.0 * step, x)));
}
