// Semi-transparent surfaces of several values, and sheets: caps on the faces of the volume, and slices through it.

uniform vec2 u_iso;             // smallest and largest value that is drawn
uniform float u_first;          // value of the first surface
uniform float u_between;        // from one surface to the next
uniform float u_count;          // surfaces
uniform float u_opacity;
uniform sampler2D u_opacities;  // over the place between the smallest and the largest value
uniform float u_opacities_size;
uniform float u_fill;           // share of a surface that is drawn
uniform float u_parity;         // of the cells that are drawn; negative for all
uniform vec3 u_odd;             // 1 where the first cell of the window is an odd one
uniform vec4 u_sheet[16];       // dot(xyz, place) + w is zero on it
uniform float u_sheet_fill[16];
uniform float u_sheets;

vec4 g_mixed;                   // colours premultiplied
vec3 g_ray;
float g_before;                 // the last value, and its sample
float g_from;
bool g_passed;                  // whether the brick before was walked past
float g_at;                     // the first thing that is seen
float g_cursor;                 // sheets before this sample are done
float g_next;                   // sample at which the ray meets the next one
int g_sheet;

void find_next_sheet() {
    g_next = 3e38;
    for (int k = 0; float(k) < u_sheets; k++) {
        float at = -(dot(u_sheet[k].xyz, g_start) + u_sheet[k].w) / dot(u_sheet[k].xyz, g_stride);
        if (at > g_cursor && at < g_next) {
            g_next = at;
            g_sheet = k;
        }
    }
}

void begin_ray(vec3 ray) {
    g_mixed = vec4(0.0);
    g_ray = ray;
    g_from = -1.0;
    g_passed = false;
    g_at = -1.0;
    g_cursor = g_part.x - 0.01;
    find_next_sheet();
}

// Whether a place is drawn at all: `fill` leaves square openings in the middle of each cell, across the two axes that
// the normal is least along.
bool is_drawn(vec3 place, vec3 normal, float fill, float parity) {
    vec3 cell = floor(place + 0.5);
    vec3 across = abs(place - cell);
    vec3 steep = abs(normal);
    float opening = 0.5 * sqrt(1.0 - fill);
    float x = steep.x >= steep.y && steep.x >= steep.z ? 0.0 : across.x;
    float y = steep.x < steep.y && steep.y >= steep.z ? 0.0 : across.y;
    float z = max(steep.x, steep.y) < steep.z ? 0.0 : across.z;
    bool open = max(x, max(y, z)) < opening;
    float odd = mod(dot(cell + u_odd, vec3(1.0)), 2.0);
    return !open && (parity < 0.0 || abs(odd - parity) < 0.5);
}

void lay(float at, vec4 colour, float value) {
    float place = clamp((value - u_iso.x) / max(u_iso.y - u_iso.x, 1e-30), 0.0, 1.0);
    float curve = texture2D(u_opacities, vec2((place * (u_opacities_size - 1.0) + 0.5) / u_opacities_size, 0.5)).r;
    float alpha = colour.a * u_opacity * curve * (1.0 - g_mixed.a);
    g_mixed += vec4(colour.rgb * alpha, alpha);
    g_at = g_at < 0.0 && alpha > 0.0 ? at : g_at;
}

void lay_sheets(float until) {
    while (g_next <= until) {
        vec3 place = place_of(g_next);
        float value = value_at(place);
        if (value >= u_iso.x && value <= u_iso.y && is_drawn(place, u_sheet[g_sheet].xyz, u_sheet_fill[g_sheet], -1.0))
            lay(g_next, colour_of(value), value);
        g_cursor = g_next;
        find_next_sheet();
    }
}

vec3 normal_at(vec3 place) {
    vec3 normal;
    for (int axis = 0; axis < 3; axis++) {
        vec3 aside = vec3(axis == 0, axis == 1, axis == 2) / g_level.scale;
        normal[axis] = value_at(place - aside) - value_at(place + aside);
    }
    // What has the same values on both sides, such as a sheet of one pixel, faces the eye.
    return normal == vec3(0.0) ? g_ray : normal;
}

// The place of a surface between two samples, by bisection.
void lay_surface(float value, float from, float to, bool rising) {
    for (int k = 0; k < 10; k++) {
        float middle = 0.5 * (from + to);
        bool beyond = (value_at(place_of(middle)) >= value) == rising;
        from = beyond ? from : middle;
        to = beyond ? middle : to;
    }
    float at = 0.5 * (from + to);
    lay_sheets(at);
    vec3 normal = normal_at(place_of(at));
    vec4 colour = colour_of(value);
    colour.rgb = vec3(lit(colour.r, normal, g_ray), lit(colour.g, normal, g_ray), lit(colour.b, normal, g_ray));
    if (is_drawn(place_of(at), normal, u_fill, u_parity))
        lay(at, clamp(colour, 0.0, 1.0), value);
}

float samples_wanted(vec2 span, float index, float count) {
    vec2 place = (span - u_first) / u_between;
    bool hollow = max(ceil(place.x), 0.0) > min(floor(place.y), u_count - 1.0);
    // What lies between two samples may begin in the brick before.
    if (g_passed && !hollow) {
        g_from = index - 1.0;
        g_before = value_at(place_of(g_from));
        find_brick(place_of(index));
    }
    float wanted = !hollow ? count : g_passed ? 0.0 : 1.0;
    g_passed = hollow;
    return wanted;
}

// Surfaces and sheets between the last sample and this one.
void lay_between(float value, float to) {
    bool rising = value > g_before;
    float low = (min(value, g_before) - u_first) / u_between;
    float high = (max(value, g_before) - u_first) / u_between;
    // The surface of the value before was laid with it.
    float least = max(rising ? floor(low) + 1.0 : ceil(low), 0.0);
    float most = min(rising ? floor(high) : ceil(high) - 1.0, u_count - 1.0);
    bool moved = least <= most || g_next <= to;
    for (float k = 0.0; least + k <= most; k += 1.0)
        lay_surface(u_first + u_between * (rising ? least + k : most - k), g_from, to, rising);
    lay_sheets(to);
    if (moved)
        find_brick(place_of(to));
    g_before = value;
    g_from = to;
}

bool take_sample(float value, float index) {
    // The first sample lies up to a step behind where the ray is cut off.
    if (g_from < 0.0) {
        g_from = g_part.x;
        g_before = value_at(place_of(g_from));
        find_brick(place_of(index));
    }
    lay_between(value, index);
    return g_mixed.a > 0.99;
}

bool end_ray(out vec4 colour, out float at) {
    float until = g_mixed.a > 0.99 ? -1.0 : g_part.y;
    // No surface lies in a brick that was walked past.
    if (until > g_from && !g_passed)
        lay_between(value_at(place_of(until)), until);
    if (until > 0.0)
        lay_sheets(until + 0.01);
    colour = vec4(g_mixed.rgb / max(g_mixed.a, 1e-6), g_mixed.a);
    at = g_at;
    return g_mixed.a > 0.0;
}
