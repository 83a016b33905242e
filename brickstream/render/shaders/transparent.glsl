// Which values the colormap leaves invisible.

uniform vec2 u_bright;          // texel values between which all lie that can be seen; the others need no table
uniform float u_gaps;           // 1 where some of those between cannot
uniform sampler2D u_visible;    // by place in the colormap: share of the visible places below it
uniform float u_visible_size;

float visible_below(float place) {
    return texture2D(u_visible, vec2((place + 0.5) / u_visible_size, 0.5)).r;
}

// Whether a brick with these values can be seen. Colours are interpolated between places, so their neighbours count as
// well; but what is beyond the contrast limits has the colour of the first or the last place alone.
bool is_visible(vec2 span) {
    bool visible = span.y > u_bright.x && span.x < u_bright.y;
    if (u_gaps > 0.5 && visible) {
        float a = level_of(span.x);
        float b = level_of(span.y);
        float low = min(a, b);
        float high = max(a, b);
        float last = u_visible_size - 2.0;
        float first = low < 1.0 ? max(floor(low * last) - 1.0, 0.0) : last;
        float end = high > 0.0 ? min(ceil(high * last) + 2.0, last + 1.0) : 1.0;
        visible = visible_below(end) > visible_below(first);
    }
    return visible;
}
