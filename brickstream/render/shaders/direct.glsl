// Nearest and linear: the hardware does it.

float sampled(vec3 coord) {
    return texel(coord);
}
