// From values to colours.

uniform vec2 u_clim;            // texel values
uniform float u_gamma;
uniform float u_layer_opacity;

// As with pages: uniforms are read before any loop.
vec2 g_limits;                  // the contrast limits, the smaller one first
float g_contrast;
bool g_bent;

void open_colours() {
    g_limits = vec2(min(u_clim.x, u_clim.y), max(u_clim.x, u_clim.y));
    g_contrast = u_clim.y - u_clim.x;
    g_bent = u_gamma != 1.0;
}

// Place of a value between the contrast limits, 0 to 1.
float level_of(float value) {
    float level = (clamp(value, g_limits.x, g_limits.y) - u_clim.x) / g_contrast;
    if (g_bent)
        level = pow(level, u_gamma);
    return level;
}

vec4 colour_of(float value) {
    return $cmap(level_of(value));
}
