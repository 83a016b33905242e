// Weights of a cubic filter. The atlas has an apron of two.

uniform sampler2D u_weights;    // of the pixels at -1, 0, 1, 2, over the place between 0 and 1
uniform float u_weights_size;

vec4 weights(float x) {
    return texture2D(u_weights, vec2((x * (u_weights_size - 1.0) + 0.5) / u_weights_size, 0.5));
}
