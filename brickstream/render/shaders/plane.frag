varying vec3 v_position;

uniform mat4 u_sides_low;       // half-spaces of the image, one a row
uniform mat4 u_sides_high;

bool in_image() {
    vec2 pixel = floor(v_position.xy * g_level.scale.xy + g_level.shift.xy + 0.5);
    vec4 centre = vec4((pixel - g_level.shift.xy) / g_level.scale.xy, 1.0, 0.0);
    return all(greaterThanEqual(u_sides_low * centre, vec4(0.0)))
        && all(greaterThanEqual(u_sides_high * centre, vec4(0.0)));
}

void main() {
    open_pages();
    open_colours();
    bool there = find_brick(v_position);
    if (!in_image() || !(there || MARKS_GAPS))
        discard;
    vec4 colour = shown(v_position);
    vec4 mark = mark_of(v_position);
    gl_FragColor = there ? colour : vec4(mark.rgb, 0.0);
    gl_FragColor = mix(gl_FragColor, vec4(mark.rgb, 1.0), mark.a);
    gl_FragColor.a *= u_layer_opacity;
}
