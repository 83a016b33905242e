// From values to colours.

uniform vec2 u_clim;            // texel values
uniform float u_gamma;
uniform float u_layer_opacity;

// Place of a value between the contrast limits, 0 to 1.
float level_of(float value) {
    value = clamp(value, min(u_clim.x, u_clim.y), max(u_clim.x, u_clim.y));
    float level = (value - u_clim.x) / (u_clim.y - u_clim.x);
    for (bool bent = u_gamma != 1.0; bent; bent = false)
        level = pow(level, u_gamma);
    return level;
}

vec4 colour_of(float value) {
    return $cmap(level_of(value));
}
