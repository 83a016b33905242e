vec4 g_mixed;

void begin_ray(vec3 ray) {
    g_mixed = vec4(0.0);
}

float samples_wanted(vec2 span, float index, float count) {
    return is_visible(span) ? count : 0.0;
}

bool take_sample(float value, float index) {
    vec4 colour = colour_of(value);
    for (float longer = g_longer * g_run; longer != 1.0; longer = 1.0)
        colour.a = 1.0 - pow(1.0 - colour.a, longer);
    // Front to back, colours not premultiplied; the floor keeps the division alive.
    float behind = colour.a * (1.0 - g_mixed.a);
    float alpha = max(g_mixed.a + behind, 0.001);
    g_mixed = vec4((g_mixed.rgb * g_mixed.a + colour.rgb * behind) / alpha, alpha);
    return alpha > 0.99;
}

bool end_ray(out vec4 colour, out float at) {
    colour = g_mixed;
    at = 0.0;
    return true;
}
