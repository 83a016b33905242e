// Labels: a texel is the number of a thing in four bytes, the lowest first. Colours are found by a hash, in whole
// numbers so small that floats hold them, and their quotients, exactly.

uniform float u_begin;          // of the hash
uniform float u_factor;
uniform sampler2D u_palette;    // the colour of each hash
uniform sampler2D u_chosen;     // a column for each hash: a number, its colour, a number, its colour
uniform float u_depth;          // numbers in a column
uniform float u_others;         // opacity of what is not in them
uniform float u_layer_opacity;
const float HASHES = 1021.0;
const float RIM = 0.5;          // so far inside the border of the level ids change no more
float g_half;                   // of a row of u_chosen, where a number or a colour is

void open_colours() {
    g_half = 0.5 / max(u_depth, 1.0);
}

vec4 bytes(vec4 colour) {
    return floor(255.0 * colour + 0.5);
}

vec4 id_at(vec3 coord) {
    return bytes($sample_atlas(g_atlas, coord));
}

// The half keeps a quotient that is rounded away from the next whole number.
float stirred(float hash) {
    float product = hash * u_factor;
    return product - HASHES * floor((product + 0.5) / HASHES);
}

float hash_of(vec4 id) {
    return stirred(stirred(stirred(stirred(u_begin + id.a) + id.b) + id.g) + id.r);
}

vec4 colour_of(vec4 id) {
    float column = (hash_of(id) + 0.5) / HASHES;
    vec4 colour = texture2D(u_palette, vec2(column, 0.5));
    colour.a *= u_others;
    for (float row = 0.0; row < u_depth; row += 1.0) {
        vec4 known = bytes(texture2D(u_chosen, vec2(column, (2.0 * row + 0.5) * g_half)));
        vec4 chosen = texture2D(u_chosen, vec2(column, (2.0 * row + 1.5) * g_half));
        colour = known == id ? chosen : colour;
    }
    return id == vec4(0.0) ? vec4(0.0) : colour;
}

// Whether something is to be seen: 1 or 0.
float sampled(vec3 coord) {
    return colour_of(id_at(coord)).a > 0.0 ? 1.0 : 0.0;
}

vec2 reached(vec2 span) {
    return span;
}
