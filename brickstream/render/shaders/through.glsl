// Rays through the volume: from where they enter the whole level (or the near plane) to where they leave it, in a whole
// number of equal steps, as through a dense volume.

// Lays out the samples and says how many there are; only those inside the window are taken.
float lay_out(vec3 near, vec3 ray) {
    g_plain = u_pace;
    g_draft = u_draft;
    vec2 window = crossing(v_position, ray, u_window_low, u_window_high);
    // Faces that rays enter by are culled before this; where a host's GL state draws them, no ray is cast twice.
    bool entering = -window.x <= window.y;
    vec2 box = crossing(v_position, ray, u_box_low, u_box_high);
    float entry = max(dot(near - v_position, ray), box.x);
    // A short ray has one step where a finished picture's has one.
    float least = u_draft > 1.0 && box.y - entry >= 0.5 * u_pace ? 1.0 : 0.0;
    float steps = max(floor((box.y - entry) / u_step + 0.5), least);
    float length_of_step = (box.y - entry) / max(steps, 1.0);
    float first = max(0.0, ceil((window.x - entry) / length_of_step - 1e-3));
    float count = min(steps, floor((window.y - entry) / length_of_step + 1e-3) + 1.0) - first;
    g_start = v_position + ray * (entry + first * length_of_step);
    g_stride = ray * length_of_step;
    return entering || steps < 1.0 ? 0.0 : count;
}

// Samples lie in their bricks.
vec3 kept(vec3 coord) {
    return coord;
}
