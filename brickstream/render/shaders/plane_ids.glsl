uniform float u_contour;        // pixels of the level that is drawn; 0 fills

vec4 shown(vec3 place) {
    vec4 id = id_at(confined(atlas_coord(place)));
    vec3 pixel = vec3(1.0, 1.0, 0.0) / g_level.scale;
    bool wanted = u_contour < 0.5;
    for (float y = -u_contour; y < u_contour + 0.5; y += 1.0) {
        for (float x = -u_contour; x < u_contour + 0.5; x += 1.0)
            wanted = wanted || id_at(coord_beside(place + pixel * vec3(x, y, 0.0))) != id;
    }
    return wanted ? colour_of(id) : vec4(0.0);
}
