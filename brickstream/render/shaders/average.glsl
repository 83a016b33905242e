float g_sum;
float g_count;

void begin_ray(vec3 ray) {
    g_sum = 0.0;
    g_count = 0.0;
}

float samples_wanted(vec2 span, float index, float count) {
    float all = is_flat(span) ? count : 0.0;
    g_sum += all * span.y;
    g_count += all;
    return all > 0.0 ? 0.0 : count;
}

bool take_sample(float value, float index) {
    g_sum += value * g_run;
    g_count += g_run;
    return false;
}

bool end_ray(out vec4 colour, out float at) {
    colour = colour_of(g_sum / g_count);
    at = 0.0;
    return true;
}
