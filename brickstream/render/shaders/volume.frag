// Casts one ray through the bricks. All samples in a row that lie in one brick share one lookup.

uniform vec4 u_clip[8];         // half-spaces: dot(xyz, place) + w is not negative in them
uniform float u_clips;          // how many of them there are

// Of `count` samples those in all half-spaces: the first, and one past the last.
vec2 clipped(float count) {
    vec2 part = vec2(0.0, count);
    g_part = part;
    for (int k = 0; float(k) < u_clips; k++) {
        float depth = dot(u_clip[k].xyz, g_start) + u_clip[k].w;
        float rise = dot(u_clip[k].xyz, g_stride);
        float at = -depth / rise;
        // Nothing of a ray along the plane's outer side.
        part.x = rise > 0.0 ? max(part.x, ceil(at)) : rise == 0.0 && depth < 0.0 ? count : part.x;
        part.y = rise < 0.0 ? min(part.y, floor(at) + 1.0) : part.y;
        g_part.x = rise > 0.0 ? max(g_part.x, at) : g_part.x;
        g_part.y = rise < 0.0 ? min(g_part.y, at) : g_part.y;
    }
    // A plane along the ray cuts it far away, beyond what an int can hold.
    g_part = clamp(g_part, 0.0, count);
    return clamp(part, 0.0, count);
}

float scatter(vec2 pixel) {
    return fract(52.9829189 * fract(dot(pixel, vec2(0.06711056, 0.00583715))));
}

void main() {
    open_pages();
    open_colours();
    vec3 near = v_near.xyz / v_near.w;
    vec3 ray = normalize(v_far.xyz / v_far.w - near);
    // A direction of exactly zero would make 0 / 0 on a face.
    ray = mix(ray, vec3(1e-20), vec3(equal(ray, vec3(0.0))));
    float count = lay_out(near, ray);
    // What a ray rounds its steps by is not corrected in a finished picture, as vispy does not.
    g_longer = 1.0;
    if (u_draft != 1.0 || u_unit != vec3(1.0))
        g_longer = length(g_stride * u_unit) / g_plain;
    vec2 part = clipped(max(count, 0.0));
    g_start += g_stride * u_jitter * scatter(gl_FragCoord.xy);

    g_begin = part.x;
    g_end = part.y;
    begin_ray(ray);
    bool taken = false;
    vec3 forwards = vec3(greaterThan(g_stride, vec3(0.0)));
    vec3 steps = 1.0 / g_stride;
    float stop = g_begin;           // one past the last sample of the brick at hand
    while (stop < g_end) {
        float i;
        float last;                 // one past the last that is wanted
        vec3 place;
        do {
            i = stop;
            place = place_of(i);
            look_up(place);
            vec3 left = (mix(g_low, g_high, forwards) - place) * steps;
            stop = i + clamp(ceil(min(min(left.x, left.y), left.z)), 1.0, g_end - i);
            taken = taken || g_there;
            last = g_there ? i + samples_wanted(reached(g_span), i, stop - i) : i;
        } while (last <= i && stop < g_end);
        open_brick();
        // In a coarser brick one sample stands for as many as its pixels are longer.
        vec3 scale = g_level.scale;
        float run = max(1.0, floor(1.0 / (max(max(scale.x, scale.y), scale.z) * g_draft) + 0.01));
        vec3 coord = atlas_coord(place);
        vec3 delta = run * g_stride * scale / u_atlas_shape;
        for (float j = i; j < last; j += run) {
            g_run = min(run, stop - j);
            if (take_sample(sampled(kept(coord)), j)) {
                stop = g_end;
                break;
            }
            coord += delta;
        }
    }
    if (!taken)
        discard;
    float depth_at = 0.0;
    if (!end_ray(gl_FragColor, depth_at))
        discard;
    vec4 mark = mark_of(place_of(depth_at));
    gl_FragColor.rgb = mix(gl_FragColor.rgb, mark.rgb, mark.a);
    gl_FragColor.a *= u_layer_opacity;
    if (u_places > 0.5)
        gl_FragColor = vec4(place_of(depth_at), 1.0);
    vec4 point = $to_document(vec4(place_of(depth_at), 1.0));
    // A point at the near plane can round to behind the eye.
    // What is far away must stay in front of nothing, in a depth buffer of 16 bits too.
    gl_FragDepth = point.w > 0.0 ? clamp((point.z / point.w + 1.0) / 2.0, 0.0, 0.99998) : 0.0;
}
