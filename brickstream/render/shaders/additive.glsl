vec4 g_dark;                    // what is left of white

void begin_ray(vec3 ray) {
    g_dark = vec4(1.0);
}

float samples_wanted(vec2 span, float index, float count) {
    return is_visible(span) ? count : 0.0;
}

bool take_sample(float value, float index) {
    vec4 dark = 1.0 - colour_of(value);
    float longer = g_longer * g_run;
    if (longer != 1.0)
        dark = pow(max(dark, 0.0), vec4(longer));
    g_dark *= dark;
    return false;
}

bool end_ray(out vec4 colour, out float at) {
    colour = 1.0 - g_dark;
    at = 0.0;
    return true;
}
