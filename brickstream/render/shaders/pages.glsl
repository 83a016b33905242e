// Bricks in an atlas, found through the page table. Positions are pixels of the target level, relative to its window.

uniform sampler2D u_pages;
uniform vec2 u_pages_shape;             // cells: columns, rows
uniform vec3 u_brick;                   // interior of a brick
uniform vec3 u_apron;
uniform vec3 u_inset;                   // how far inside a slot's texels a place must lie, for what is read around it

// A level, as the table describes it in its first cells.
struct Level {
    vec3 scale;     // its pixels for one of the target
    vec3 shift;     // where the target's pixel 0 is, relative to the level's window
    vec3 cells;     // size of the window
    float first;    // number of its first cell
    bool last;      // whether there is none coarser
};

// What every lookup needs. Uniforms are read here, before any loop: a software rasteriser takes as long to read one
// as to read a texel.
vec2 g_page;                // a cell of the table, in texture coordinates
vec3 g_texel;               // a texel of the atlas, in texture coordinates
vec3 g_padded;              // a slot, in texels
vec3 g_turns;               // a slot, in rows of slots, in planes of them, in textures
Level g_finest;

// The brick that was found.
Level g_level;              // it is drawn from
float g_position;           // of that level in the table
bool g_there;
vec3 g_low, g_high;         // the box of target pixels for which this brick is right
vec3 g_cell;                // its cell, in the window of its level
float g_slot;
float g_state;              // what the table adds to the slot of the finest cell: missing or failed
vec2 g_span;                // smallest and largest value
bool g_open;                // whether what follows is known
vec3 g_base;                // atlas texel centre that belongs to pixel 0 of the level's window
vec3 g_first, g_last;       // coordinates that may be read: centres of texels

vec4 cell_at(float number) {
    float rows = (number + 0.5) * g_page.x;
    return texture2D(u_pages, vec2(fract(rows), (floor(rows) + 0.5) * g_page.y));
}

Level read_level(float position) {
    vec4 a = cell_at(3.0 * position);
    vec4 b = cell_at(3.0 * position + 1.0);
    vec4 c = cell_at(3.0 * position + 2.0);
    return Level(a.xyz, b.xyz, c.xyz, a.w, c.w > 0.5);
}

void open_pages() {
    g_page = 1.0 / u_pages_shape;
    g_texel = 1.0 / u_atlas_shape;
    g_padded = u_brick + 2.0 * u_apron;
    g_turns = 1.0 / vec3(u_slots.x, u_slots.x * u_slots.y, u_slots.x * u_slots.y * u_slots.z);
    g_finest = read_level(0.0);
}

// Finds the brick at a place, and the box around it; where there is none the box is right even so.
//
// A cell names the level to draw. It can lie across a brick that is there and one that is not: where it is not, a
// coarser one is. Every coarser window holds the finer ones.
void look_up(vec3 place) {
    float next = 0.0;
    vec4 entry;
    g_level = g_finest;
    g_state = -1.0;
    g_low = vec3(-3e38);
    g_high = vec3(3e38);
    // One loop for all: a software rasteriser goes once through each, whether anybody enters it or not.
    do {
        g_position = next;
        if (g_position > 0.5)
            g_level = read_level(g_position);
        vec3 pixel = place * g_level.scale + g_level.shift + 0.5;
        vec3 beyond = max(-pixel, pixel - g_level.cells * u_brick);
        // Rounding at the rim of a window must not send anybody to a coarser level.
        bool inside = g_level.last || max(max(beyond.x, beyond.y), beyond.z) < 0.01;
        g_cell = clamp(floor(pixel / u_brick), vec3(0.0), g_level.cells - 1.0);
        vec3 corner = g_cell * u_brick - 0.5 - g_level.shift;
        g_low = inside ? max(g_low, corner / g_level.scale) : g_low;
        g_high = inside ? min(g_high, (corner + u_brick) / g_level.scale) : g_high;
        entry = cell_at(g_level.first + (g_cell.z * g_level.cells.y + g_cell.y) * g_level.cells.x + g_cell.x);
        g_there = inside && entry.r > 0.5 && entry.g < g_position + 0.5;
        g_state = inside && g_state < 0.0 ? fract(entry.r) : g_state;
        next = max(g_position + 1.0, inside ? entry.g : 0.0);
    } while (!g_there && !g_level.last);
    g_slot = floor(entry.r);
    g_span = entry.ba;
    g_open = false;
}

// Finds where in the atlas the brick lies that was looked up.
void open_brick() {
    vec3 turns = floor((g_slot + 0.5) * g_turns);
    vec3 corner = (vec3(g_slot, turns.xy) - turns * u_slots) * g_padded;
    g_atlas = turns.z;
    g_base = corner + u_apron - g_cell * u_brick + 0.5;
    g_first = (corner + 0.5) * g_texel;
    g_last = (corner + g_padded - 0.5) * g_texel;
    g_open = true;
}

// Both; false where there is no brick.
bool find_brick(vec3 place) {
    look_up(place);
    open_brick();
    return g_there;
}

// Atlas coordinate of a place in the brick that was found. The order keeps it exact: rays run along faces of pixels.
vec3 atlas_coord(vec3 place) {
    return (place * g_level.scale + g_level.shift + g_base) / u_atlas_shape;
}

// The same, kept to the texels of the brick.
vec3 confined(vec3 coord) {
    return clamp(coord, g_first + u_inset * g_texel, g_last - u_inset * g_texel);
}
