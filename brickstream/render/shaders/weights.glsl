// Weights of a cubic filter. The atlas has an apron of two.

uniform sampler2D u_weights;    // of the pixels at -1, 0, 1, 2, over the place between 0 and 1
uniform float u_weights_size;
uniform vec2 u_gain;            // smallest and largest sum of the weights of a place

// What can be read between pixels of these values: the weights add up to a little more than 1.
vec2 reached(vec2 span) {
    return vec2(min(span.x * u_gain.x, span.x * u_gain.y), max(span.y * u_gain.x, span.y * u_gain.y));
}

vec4 weights(float x) {
    return texture2D(u_weights, vec2((x * (u_weights_size - 1.0) + 0.5) / u_weights_size, 0.5));
}

// Along all three axes.
void weigh(vec3 part, out vec4 x, out vec4 y, out vec4 z) {
    x = weights(part.x);
    y = weights(part.y);
    z = weights(part.z);
}
