// Marks over the picture: the level of each place, and the borders of the bricks.

const bool MARKS_GAPS = false;

vec3 hue_of(float level) {
    float sixth = mod(level, 6.0);
    return clamp(vec3(abs(sixth - 3.0) - 1.0, 2.0 - abs(sixth - 2.0), 2.0 - abs(sixth - 4.0)), 0.0, 1.0);
}

vec4 mark_of(vec3 place) {
    look_up(place);
    vec3 within = mod(place * g_level.scale + g_level.shift + 0.5, u_brick);
    bool border = any(lessThan(within.xy, vec2(1.0)));
    return vec4(hue_of(cell_at(3.0 * g_position + 1.0).w), border ? 0.8 : 0.35);
}
