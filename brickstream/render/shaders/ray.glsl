// What the methods of projection share.

uniform vec3 u_window_low;      // the part of it that has bricks
uniform vec3 u_window_high;
uniform float u_step;           // pixels of the target level
uniform float u_draft;          // that, relative to a finished picture's
uniform vec3 u_unit;            // pixels of the level that opacity is meant for, in one of the target level
uniform float u_jitter;
uniform float u_places;         // whether places are drawn and not colours
vec3 g_start, g_stride;         // first sample, and from one sample to the next
uniform float u_pace;           // relative step size
float g_begin, g_end;           // samples: the first, and one past the last
vec2 g_part;                    // the part of the ray that is not cut away, in samples; not whole ones
float g_plain;                  // length of a step that opacity is meant for
float g_draft;                  // length of a step, relative to a finished picture's
float g_longer;                 // the same, relative to that which opacity is meant for
float g_run;                    // steps that the sample at hand stands for

vec3 place_of(float index) {
    return g_start + g_stride * index;
}

// Where a ray enters a box and where it leaves it, in lengths of `ray`.
vec2 crossing(vec3 origin, vec3 ray, vec3 low, vec3 high) {
    vec3 a = (low - origin) / ray;
    vec3 b = (high - origin) / ray;
    vec3 enter = min(a, b);
    vec3 leave = max(a, b);
    return vec2(max(max(enter.x, enter.y), enter.z), min(min(leave.x, leave.y), leave.z));
}

// Whether all values of a brick are the same; the table leaves room for the noise of the sampler.
bool is_flat(vec2 span) {
    return span.y - span.x <= 4e-6 * abs(span.y);
}

// Value at any place: looks it up where the brick at hand does not reach.
float value_at(vec3 place) {
    return sampled(coord_beside(place));
}
