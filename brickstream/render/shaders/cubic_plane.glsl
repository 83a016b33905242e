// A cubic filter over four times four pixels of a plane, each read by itself: the sampler's own linear filter may round its
// weights to eight bits, which in a volume is not seen and in a plane is. The atlas has an apron of two.

uniform sampler2D u_weights;    // of the pixels at -1, 0, 1, 2, over the place between 0 and 1
uniform float u_weights_size;
const float RIM = -0.5;         // so far inside the border of the level values change no more

vec4 weights(float x) {
    return texture2D(u_weights, vec2((x * (u_weights_size - 1.0) + 0.5) / u_weights_size, 0.5));
}

float row_at(vec3 first, vec4 x) {
    vec3 step = vec3(1.0 / u_atlas_shape.x, 0.0, 0.0);
    return dot(x, vec4(texel(first), texel(first + step), texel(first + 2.0 * step), texel(first + 3.0 * step)));
}

float sampled(vec3 coord) {
    vec2 pixel = coord.xy * u_atlas_shape.xy - 0.5;
    vec2 part = fract(pixel);
    vec4 x = weights(part.x);
    vec4 y = weights(part.y);
    vec3 first = vec3((pixel - part - 0.5) / u_atlas_shape.xy, coord.z);
    vec3 step = vec3(0.0, 1.0 / u_atlas_shape.y, 0.0);
    vec2 above = vec2(row_at(first, x), row_at(first + step, x));
    return dot(y, vec4(above, row_at(first + 2.0 * step, x), row_at(first + 3.0 * step, x)));
}
