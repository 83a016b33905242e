uniform float u_cutoff;
float g_best;
float g_reach;
float g_at;

void begin_ray(vec3 ray) {
    g_best = u_cutoff;
    g_at = -1.0;
    g_reach = 1.0;
}

// All that is below the contrast limits has one colour: one sample of it does.
float samples_wanted(vec2 span, float index, float count) {
    bool dark = span.y <= g_limits.x;
    bool one = dark || is_flat(span);
    bool none = span.y <= g_best || (dark && g_at >= 0.0);
    return none ? 0.0 : one ? 1.0 : count;
}

bool take_sample(float value, float index) {
    if (value > g_best) {
        g_best = value;
        g_at = index;
        g_reach = g_run;
    }
    return g_best >= u_clim.y;
}

bool end_ray(out vec4 colour, out float at) {
    // Ten finer samples around the best one: less than a pixel away, so its brick and apron have them all.
    at = g_at;
    float best = g_best;
    find_brick(place_of(at));
    vec3 coord = atlas_coord(place_of(g_at - 0.5 * g_reach));
    vec3 delta = 0.1 * g_reach * g_stride * g_level.scale / u_atlas_shape;
    int tries = g_at < 0.0 ? 0 : 10;
    for (int k = 0; k < tries; k++) {
        float value = sampled(confined(coord));
        if (value > best) {
            best = value;
            at = g_at + (0.1 * float(k) - 0.5) * g_reach;
        }
        coord += delta;
    }
    colour = colour_of(best);
    return g_at >= 0.0;
}
