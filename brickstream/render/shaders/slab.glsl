// Rays across a plane: from its hit, along the plane's normal to both sides, in steps of one pixel, as vispy does it.

uniform vec4 u_plane;           // dot(xyz, place) + w is zero on it
uniform vec3 u_across;          // the normal's direction, one pixel long
uniform float u_thickness;      // in steps

float lay_out(vec3 near, vec3 ray) {
    g_plain = 1.0;
    g_draft = 1.0;
    vec3 hit = v_position - ray * (dot(u_plane.xyz, v_position) + u_plane.w) / dot(u_plane.xyz, ray);
    g_start = hit - u_across * (0.5 * u_thickness);
    g_stride = u_across;
    vec2 window = crossing(v_position, ray, u_window_low, u_window_high);
    // Faces that rays enter by are culled before this; where a host's GL state draws them, no ray is cast twice.
    bool entering = -window.x <= window.y;
    // What is nearer than the near plane is not seen.
    bool outside = dot(hit - near, ray) < 0.0 || any(lessThan(hit, u_box_low)) || any(greaterThan(hit, u_box_high));
    return entering || outside ? 0.0 : u_thickness;
}

// Beyond the level's border its last pixels go on.
vec3 kept(vec3 coord) {
    return confined(coord);
}
