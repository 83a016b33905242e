float g_best;
int g_at;

void begin_ray() {
    g_best = -3.4e38;
    g_at = -1;
}

bool wants_brick(vec2 span) {
    return span.y > g_best;
}

bool take_sample(float value, int index) {
    if (value > g_best) {
        g_best = value;
        g_at = index;
    }
    return g_best >= u_clim.y;
}

bool end_ray(out vec4 colour, out float at) {
    // Ten finer samples around the best one: less than a pixel away, so its brick and apron have them all.
    at = float(g_at);
    float best = g_best;
    find_brick(place_of(at));
    vec3 coord = atlas_coord(place_of(float(g_at) - 0.5));
    vec3 delta = 0.1 * g_stride * g_scale / u_atlas_shape;
    int tries = g_at < 0 ? 0 : 10;
    for (int k = 0; k < tries; k++) {
        float value = read_atlas(coord);
        if (value > best) {
            best = value;
            at = float(g_at) - 0.5 + 0.1 * float(k);
        }
        coord += delta;
    }
    colour = colour_of(best);
    return g_at >= 0;
}
