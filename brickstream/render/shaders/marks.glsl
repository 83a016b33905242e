// Marks over the picture: where finer data are waited for, are missing or have failed; or the level of each place.

uniform float u_marks;          // 0: none, 1: states, 2: levels
uniform float u_target;         // position of the target level in the page table
const float MISSING = 0.125;    // as the page table adds it to a slot
const float FAILED = 0.25;

vec3 hue_of(float level) {
    float sixth = mod(level, 6.0);
    return clamp(vec3(abs(sixth - 3.0) - 1.0, 2.0 - abs(sixth - 2.0), 2.0 - abs(sixth - 4.0)), 0.0, 1.0);
}

// Colour of the mark, and how much of it: of the brick that was found last.
vec4 mark_of(vec3 place) {
    vec4 mark = vec4(0.0);
    for (bool levels = u_marks > 1.5; levels; levels = false) {
        vec3 within = mod(place * g_scale + g_shift + 0.5, u_brick);
        bool border = any(lessThan(within.xy, vec2(1.0)));
        mark = vec4(hue_of(cell_at(3.0 * g_level + 1.0).w), border ? 0.8 : 0.35);
    }
    for (bool states = u_marks > 0.5 && u_marks < 1.5; states; states = false) {
        bool waits = !g_there || g_level > u_target + 0.5;
        vec3 colour = g_state > 0.2 ? vec3(1.0, 0.1, 0.1) : g_state > 0.1 ? vec3(0.2, 0.5, 1.0) : vec3(1.0, 0.8, 0.1);
        bool hatched = mod(gl_FragCoord.x + gl_FragCoord.y, 8.0) < 3.0;
        mark = vec4(colour, hatched && (waits || g_state > 0.1) ? 0.6 : 0.0);
    }
    return mark;
}
