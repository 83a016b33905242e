vec4 g_sum;

void begin_ray() {
    g_sum = vec4(0.0);
}

bool wants_brick(vec2 span) {
    return true;
}

bool take_sample(float value, int index) {
    vec4 dark = 1.0 - colour_of(value);
    float longer = u_opacity * g_run;
    if (longer != 1.0)
        dark = pow(max(dark, 0.0), vec4(longer));
    g_sum = 1.0 - (1.0 - g_sum) * dark;
    return false;
}

bool end_ray(out vec4 colour, out float at) {
    colour = g_sum;
    at = 0.0;
    return true;
}
