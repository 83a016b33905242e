// Nearest and linear: the hardware does it.

const float RIM = 0.5;          // so far inside the border of the level values change no more

// What can be read between pixels of these values.
vec2 reached(vec2 span) {
    return span;
}

float sampled(vec3 coord) {
    return texel(coord);
}
