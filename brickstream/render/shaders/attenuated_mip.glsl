// Like mip, but what lies behind much brightness is dimmed.

uniform float u_cutoff;
uniform float u_attenuation;
float g_best;
float g_bright;                 // brightness so far, in steps of one pixel
float g_at;

void begin_ray(vec3 ray) {
    g_best = u_cutoff;
    g_bright = 0.0;
    g_at = -1.0;
}

float brightness(float value) {
    return clamp((value - u_clim.x) / (u_clim.y - u_clim.x), 0.0, 1.0);
}

float dimming() {
    return exp(-u_attenuation * (g_bright - 1.0));
}

float samples_wanted(vec2 span, float index, float count) {
    bool dark = max(brightness(span.x), brightness(span.y)) == 0.0;
    return dark && g_at >= 0.0 && max(span.y, 0.0) * dimming() <= g_best ? 0.0 : count;
}

bool take_sample(float value, float index) {
    g_bright += u_pace * g_longer * g_run * brightness(value);
    float dimmed = dimming();
    bool settled = g_best > dimmed * u_clim.y;
    if (!settled && value * dimmed > g_best) {
        g_best = value * dimmed;
        g_at = index;
    }
    return settled;
}

bool end_ray(out vec4 colour, out float at) {
    colour = colour_of(g_best);
    at = g_at;
    return g_at >= 0.0;
}
