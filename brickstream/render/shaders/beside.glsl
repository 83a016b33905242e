// What lies beside the place at hand.

uniform vec3 u_box_low;         // the whole level
uniform vec3 u_box_high;

// Atlas coordinate of any place: looks its brick up where the one at hand does not reach.
vec3 coord_beside(vec3 place) {
    place = clamp(place, u_box_low + RIM, u_box_high - RIM);
    vec3 margin = 0.49 / g_level.scale;
    bool away = !g_open || any(lessThan(place, g_low - margin)) || any(greaterThan(place, g_high + margin));
    if (away)
        find_brick(place);
    return confined(atlas_coord(place));
}
