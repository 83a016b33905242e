// Values: one number a texel.

float texel(vec3 coord) {
    return $sample_atlas(g_atlas, coord);
}
