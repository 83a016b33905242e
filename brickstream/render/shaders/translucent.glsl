vec4 g_mixed;                   // colours premultiplied

void begin_ray(vec3 ray) {
    g_mixed = vec4(0.0);
}

float samples_wanted(vec2 span, float index, float count) {
    return is_visible(span) ? count : 0.0;
}

bool take_sample(float value, float index) {
    vec4 colour = colour_of(value);
    float longer = g_longer * g_run;
    if (longer != 1.0)
        colour.a = 1.0 - pow(1.0 - colour.a, longer);
    // Front to back; the floor keeps the division alive.
    float behind = colour.a * (1.0 - g_mixed.a);
    g_mixed = vec4(g_mixed.rgb + colour.rgb * behind, max(g_mixed.a + behind, 0.001));
    return g_mixed.a > 0.99;
}

bool end_ray(out vec4 colour, out float at) {
    colour = vec4(g_mixed.rgb / max(g_mixed.a, 0.001), g_mixed.a);
    at = 0.0;
    return true;
}
