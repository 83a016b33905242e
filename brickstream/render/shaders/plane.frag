varying vec3 v_position;

uniform mat4 u_sides_low;       // half-spaces of the image, one a row
uniform mat4 u_sides_high;

bool in_image() {
    vec2 pixel = floor(v_position.xy * g_scale.xy + g_shift.xy + 0.5);
    vec4 centre = vec4((pixel - g_shift.xy) / g_scale.xy, 1.0, 0.0);
    return all(greaterThanEqual(u_sides_low * centre, vec4(0.0)))
        && all(greaterThanEqual(u_sides_high * centre, vec4(0.0)));
}

void main() {
    if (!find_brick(v_position) || !in_image())
        discard;
    gl_FragColor = shown(v_position);
    gl_FragColor.a *= u_layer_opacity;
}
