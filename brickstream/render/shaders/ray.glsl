// What the methods of projection share.

uniform float u_step;       // pixels of the target level
uniform float u_opacity;    // step length relative to a finished picture's
uniform vec3 u_window_low;      // the part of the level that has bricks
uniform vec3 u_window_high;
vec3 g_start, g_stride;     // first sample, and from one sample to the next

// The value at any place along the ray, in steps from the first sample; `otherwise` where there is no brick.
float value_at(float index, float otherwise) {
    vec3 place = clamp(g_start + g_stride * index, u_window_low, u_window_high);
    while (any(lessThan(place, g_low)) || any(greaterThan(place, g_high))) {
        find_brick(place);
        break;
    }
    return g_there ? read_atlas(atlas_coord(place)) : otherwise;
}
