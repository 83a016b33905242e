// The first thing on the ray, in the colour of its id, lit by the direction in which it ends.

vec3 g_ray;
float g_at;
bool g_hit;
vec4 g_id;

void begin_ray(vec3 ray) {
    g_ray = ray;
    g_hit = false;
    g_at = 0.0;
}

// A brick of zeros is hollow.
float samples_wanted(vec2 span, float index, float count) {
    return span.y <= 0.0 ? 0.0 : count;
}

bool take_sample(float value, float index) {
    g_hit = value > 0.5;
    g_at = index;
    return g_hit;
}

float is_mine(vec3 place) {
    return id_at(coord_beside(place)) == g_id ? 1.0 : 0.0;
}

bool end_ray(out vec4 colour, out float at) {
    at = g_at;
    vec3 place = place_of(g_at);
    find_brick(place);
    g_id = id_at(confined(atlas_coord(place)));
    vec3 pixel = 1.0 / g_level.scale;
    vec3 normal = vec3(0.0);
    for (int axis = 0; axis < 3; axis++) {
        vec3 aside = pixel * vec3(axis == 0, axis == 1, axis == 2);
        for (float far = 1.0; far < 2.5; far += 1.0)
            normal[axis] += is_mine(place - far * aside) - is_mine(place + far * aside);
    }
    float steepness = length(normal);
    float facing = steepness > 0.0 ? abs(dot(normal / steepness, normalize(g_ray))) : 1.0;
    colour = colour_of(g_id);
    colour.rgb *= 0.3 + 0.7 * facing;
    return g_hit;
}
