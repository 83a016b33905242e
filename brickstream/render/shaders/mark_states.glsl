// Marks over the picture: where finer data are waited for, are missing or have failed.

uniform float u_target;         // position of the target level in the page table
const float MISSING = 0.125;    // as the page table adds it to a slot
const float FAILED = 0.25;
const bool MARKS_GAPS = true;   // whether they are seen where there is nothing yet

// Colour of the mark, and how much of it.
vec4 mark_of(vec3 place) {
    look_up(place);
    bool waits = !g_there || g_position > u_target + 0.5;
    bool failed = g_state > 0.5 * (MISSING + FAILED);
    bool missing = g_state > 0.5 * MISSING;
    vec3 colour = failed ? vec3(1.0, 0.1, 0.1) : missing ? vec3(0.2, 0.5, 1.0) : vec3(1.0, 0.8, 0.1);
    bool hatched = mod(gl_FragCoord.x + gl_FragCoord.y, 8.0) < 3.0;
    return vec4(colour, hatched && (waits || missing) ? 0.6 : 0.0);
}
