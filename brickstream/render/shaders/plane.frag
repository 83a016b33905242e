varying vec3 v_position;

void main() {
    if (!find_brick(v_position))
        discard;
    gl_FragColor = colour_of(read_atlas(atlas_coord(v_position)));
}
