// Nearest and linear: the hardware does it.

const float RIM = 0.5;          // so far inside the border of the level values change no more

float sampled(vec3 coord) {
    return texel(coord);
}
