// Which values the colormap leaves invisible.

uniform sampler2D u_visible;    // by place in the colormap: share of the visible places below it
uniform float u_visible_size;

float visible_below(float place) {
    return texture2D(u_visible, vec2((place + 0.5) / u_visible_size, 0.5)).r;
}

// Whether a brick with these values can be seen; a place of the table more on both sides, since colours are interpolated.
bool is_visible(vec2 span) {
    float a = level_of(span.x);
    float b = level_of(span.y);
    float last = u_visible_size - 1.0;
    float low = floor(min(a, b) * (last - 1.0)) - 1.0;
    float high = ceil(max(a, b) * (last - 1.0)) + 2.0;
    return visible_below(min(high, last)) > visible_below(max(low, 0.0));
}
