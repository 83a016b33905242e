// Bricks in an atlas, found through the page table. Positions are pixels of the target level, relative to its window.

uniform sampler2D u_pages;
uniform vec3 u_brick;                   // interior of a brick
uniform vec3 u_apron;
uniform vec3 u_inset;                   // how far inside a slot's texels a place must lie, for what is read around it
uniform vec2 u_pages_shape;             // cells: columns, rows
uniform float u_levels;                 // levels in the table, finest first
uniform vec3 u_scale;                   // the finest level, as the table describes it too
uniform vec3 u_shift;
uniform vec3 u_cells;
uniform float u_cell;

vec4 cell_at(float number) {
    float row = floor((number + 0.5) / u_pages_shape.x);
    return texture2D(u_pages, (vec2(number - row * u_pages_shape.x, row) + 0.5) / u_pages_shape);
}

// A level.
vec3 l_scale;       // pixels of the level for one of the target
vec3 l_shift;       // where the target's pixel 0 is, relative to the level's window
vec3 l_cells;       // size of the window
float l_first;      // number of its first cell

void read_level(float level) {
    vec4 a = cell_at(3.0 * level);
    l_scale = a.xyz;
    l_first = a.w;
    l_shift = cell_at(3.0 * level + 1.0).xyz;
    l_cells = cell_at(3.0 * level + 2.0).xyz;
}

// A brick: where it lies in the level's pixels, and its slot.
vec3 g_scale, g_shift;      // target pixels to pixels of the drawn level
vec3 g_low, g_high;         // the box of target pixels for which this brick is right
vec3 g_cell;                // its cell, in the window of its level
float g_slot;
bool g_there;
float g_level;              // position in the table of the level that is drawn
float g_state;              // what the table adds to the slot of the finest cell: missing or failed
vec2 g_span;                // smallest and largest value
bool g_open;                // whether what follows is known
vec3 g_texel;               // atlas texel centre that belongs to pixel 0 of the drawn level's window
vec3 g_first, g_last;       // texel centres that may be read

// Finds the cell of a place in the level at hand, and what the table says there. False where the level has none for it;
// rounding at the rim of a window must not send it to a coarser level.
bool enter_cell(vec3 place) {
    vec3 pixel = place * l_scale + l_shift + 0.5;
    g_cell = clamp(floor(pixel / u_brick), vec3(0.0), l_cells - 1.0);
    return all(lessThan(max(-pixel, pixel - l_cells * u_brick), vec3(0.01)));
}

vec4 read_cell() {
    vec3 corner = g_cell * u_brick - 0.5 - l_shift;
    g_low = max(g_low, corner / l_scale);
    g_high = min(g_high, (corner + u_brick) / l_scale);
    return cell_at(l_first + (g_cell.z * l_cells.y + g_cell.y) * l_cells.x + g_cell.x);
}

// Finds the brick at a place, and the box around it; where there is none the box is right even so.
void look_up(vec3 place) {
    float level = 0.0;
    l_scale = u_scale;
    l_shift = u_shift;
    l_cells = u_cells;
    l_first = u_cell;
    g_low = vec3(-3e38);
    g_high = vec3(3e38);
    // Loops and no ifs: software rasterisers walk both sides of an if, but leave out a loop that nobody enters.
    while (!enter_cell(place) && level + 1.5 < u_levels) {
        level += 1.0;
        read_level(level);
    }
    vec4 entry = read_cell();
    g_state = fract(entry.r);
    float drawn = entry.g;
    while (abs(drawn - level) > 0.5) {
        level = drawn;
        read_level(level);
        enter_cell(place);
        entry = read_cell();
    }
    // A cell can lie across a brick that is there and one that is not: here it is not, but a coarser one is. Every
    // coarser window holds the finer ones.
    while (entry.r < 0.5 && level + 1.5 < u_levels) {
        level += 1.0;
        read_level(level);
        enter_cell(place);
        entry = read_cell();
    }
    g_slot = entry.r;
    g_level = level;
    g_there = entry.r > 0.5;
    g_open = false;
    g_span = entry.ba;
    g_scale = l_scale;
    g_shift = l_shift;
}

// Finds where in the atlas the brick lies that was looked up.
void open_brick() {
    float slot = floor(g_slot + 0.5);
    float plane = floor((slot + 0.5) / (u_slots.x * u_slots.y));
    slot -= plane * u_slots.x * u_slots.y;
    float row = floor((slot + 0.5) / u_slots.x);
    vec3 padded = u_brick + 2.0 * u_apron;
    g_atlas = floor((plane + 0.5) / u_slots.z);
    vec3 origin = vec3(slot - row * u_slots.x, row, plane - g_atlas * u_slots.z) * padded;
    g_texel = origin + u_apron - g_cell * u_brick + 0.5;
    g_first = origin + 0.5;
    g_last = origin + padded - 0.5;
    g_open = true;
}

// Both; false where there is no brick.
bool find_brick(vec3 place) {
    look_up(place);
    open_brick();
    return g_there;
}

// Atlas coordinate of a place in the brick that was found.
vec3 atlas_coord(vec3 place) {
    return (place * g_scale + g_shift + g_texel) / u_atlas_shape;
}

// The same, kept to the texels of the brick.
vec3 confined(vec3 coord) {
    return clamp(coord, (g_first + u_inset) / u_atlas_shape, (g_last - u_inset) / u_atlas_shape);
}
