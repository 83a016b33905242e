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
    // Ten finer samples around the best one.
    at = float(g_at) - 0.5;
    float best = g_best;
    int tries = g_at < 0 ? 0 : 10;
    for (int k = 0; k < tries; k++) {
        float here = float(g_at) - 0.5 + 0.1 * float(k);
        float value = value_at(here, best);
        if (value > best) {
            best = value;
            at = here;
        }
    }
    colour = colour_of(best);
    return g_at >= 0;
}
