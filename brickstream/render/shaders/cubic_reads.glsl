// Four times four pixels, each read by itself: the sampler's own linear filter may round its weights to eight bits, which
// is seen where few samples make a pixel.

float row_at(vec3 first, vec4 x) {
    vec3 step = vec3(1.0 / u_atlas_shape.x, 0.0, 0.0);
    return dot(x, vec4(texel(first), texel(first + step), texel(first + 2.0 * step), texel(first + 3.0 * step)));
}

float plane_at(vec3 first, vec4 x, vec4 y) {
    vec3 step = vec3(0.0, 1.0 / u_atlas_shape.y, 0.0);
    vec2 above = vec2(row_at(first, x), row_at(first + step, x));
    return dot(y, vec4(above, row_at(first + 2.0 * step, x), row_at(first + 3.0 * step, x)));
}
