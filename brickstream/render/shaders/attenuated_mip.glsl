// Like mip, but what lies behind much brightness is dimmed.

uniform float u_cutoff;
uniform float u_attenuation;
const float MOST_STEPS = 16.0;
float g_best;
float g_bright;                 // brightness so far, in steps of one pixel
float g_before;                 // value of the sample before
bool g_fresh;                   // whether there is none
float g_at;

void begin_ray(vec3 ray) {
    g_best = u_cutoff;
    g_bright = 0.0;
    g_fresh = true;
    g_at = -1.0;
}

float brightness(float value) {
    return clamp((value - u_clim.x) / g_contrast, 0.0, 1.0);
}

float dimming(float before) {
    return exp(-u_attenuation * (before - 1.0));
}

float samples_wanted(vec2 span, float index, float count) {
    bool dark = max(brightness(span.x), brightness(span.y)) == 0.0;
    bool none = dark && g_at >= 0.0 && max(span.y, 0.0) * dimming(g_bright) <= g_best;
    g_before = none ? span.y : g_before;
    return none ? 0.0 : count;
}

// Every sample dims itself, by one step of a finished picture. So a long step is walked in such steps, between the
// sample before and this one; in one piece it would make fog darker.
bool take_sample(float value, float index) {
    float steps = clamp(floor(g_longer * g_run + 0.5), 1.0, MOST_STEPS);
    float weight = u_pace * g_longer * g_run / steps;
    bool settled = false;
    for (float k = 1.0; k <= steps && !settled; k += 1.0) {
        float there = g_fresh || k == steps ? value : mix(g_before, value, k / steps);
        float dimmed = dimming(g_bright + u_pace * brightness(there));
        g_bright += weight * brightness(there);
        settled = g_best > dimmed * u_clim.y;
        if (!settled && there * dimmed > g_best) {
            g_best = there * dimmed;
            g_at = index;
        }
    }
    g_before = value;
    g_fresh = false;
    return settled;
}

bool end_ray(out vec4 colour, out float at) {
    colour = colour_of(g_best);
    at = g_at;
    return g_at >= 0.0;
}
