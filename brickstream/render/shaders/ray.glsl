// What the methods of projection share.

uniform float u_step;           // pixels of the target level
uniform float u_opacity;        // step length relative to a finished picture's
uniform vec3 u_window_low;      // the part of the level that has bricks
uniform vec3 u_window_high;
float g_run;                    // steps that the sample at hand stands for
vec3 g_start, g_stride;         // first sample, and from one sample to the next

vec3 place_of(float index) {
    return g_start + g_stride * index;
}
