// The first surface of one value on the ray. Where a sample comes near the value, the way from the one before is
// searched in ten smaller steps.

uniform float u_threshold;
const float NEAR = 0.2;         // texel values

vec3 g_ray;
float g_surface;                // value there, shaded
float g_at;
bool g_hit;
bool g_passed;                  // whether the brick before was walked past

void begin_ray(vec3 ray) {
    g_ray = ray;
    g_hit = false;
    g_passed = true;
}

float samples_wanted(vec2 span, float index, float count) {
    bool hollow = span.y <= u_threshold;
    // The way to the first sample of a hollow brick begins in the one before.
    float wanted = !hollow ? count : g_passed ? 0.0 : 1.0;
    g_passed = hollow;
    return wanted;
}

// Shades a place as vispy does: brightest value around it, normal from differences over three pixels of the level.
float shade(vec3 place, float value) {
    vec3 reach = 1.5 / g_level.scale;
    vec3 normal;
    for (int axis = 0; axis < 3; axis++) {
        vec3 aside = reach * vec3(axis == 0, axis == 1, axis == 2);
        float before = value_at(place - aside);
        float after = value_at(place + aside);
        value = max(value, max(before, after));
        normal[axis] = before - after;
    }
    return lit(value, normal, g_ray);
}

void meet(float at, float value) {
    g_hit = true;
    g_at = at;
    g_surface = value;
}

bool take_sample(float value, float index) {
    float from = index - g_run;
    bool near = value > u_threshold - NEAR;
    vec3 begin = place_of(from);
    vec3 margin = 0.49 / g_level.scale;
    bool away = near && (any(lessThan(begin, g_low - margin)) || any(greaterThan(begin, g_high + margin)));
    vec3 coord = atlas_coord(begin);
    vec3 delta = 0.1 * g_run * g_stride * g_level.scale / u_atlas_shape;
    for (float k = near && !away ? 0.0 : 10.0; k < 10.0 && !g_hit; k += 1.0) {
        float there = sampled(coord);
        if (there > u_threshold)
            meet(from + 0.1 * k * g_run, there);
        coord += delta;
    }
    for (float k = away ? 0.0 : 10.0; k < 10.0 && !g_hit; k += 1.0) {
        float there = value_at(place_of(from + 0.1 * k * g_run));
        if (there > u_threshold)
            meet(from + 0.1 * k * g_run, there);
    }
    if (away)
        find_brick(place_of(index));
    return g_hit;
}

bool end_ray(out vec4 colour, out float at) {
    at = g_at;
    vec3 place = place_of(g_hit ? g_at : 0.0);
    find_brick(place);
    colour = colour_of(shade(place, g_surface));
    return g_hit;
}
