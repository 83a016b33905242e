vec4 shown(vec3 place) {
    return colour_of(sampled(confined(atlas_coord(place))));
}
