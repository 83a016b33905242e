// Casts one ray through the bricks. The samples are those of a dense volume: from where the ray enters the whole level
// (or the near plane) to where it leaves it, a whole number of equal steps. Only samples inside the window are taken, and
// all samples in a row that lie in one brick share one lookup.

varying vec3 v_position;
varying vec4 v_near;
varying vec4 v_far;

uniform vec3 u_box_low;         // the whole level
uniform vec3 u_box_high;

vec2 crossing(vec3 origin, vec3 ray, vec3 low, vec3 high) {
    vec3 a = (low - origin) / ray;
    vec3 b = (high - origin) / ray;
    vec3 enter = min(a, b);
    vec3 leave = max(a, b);
    return vec2(max(max(enter.x, enter.y), enter.z), min(min(leave.x, leave.y), leave.z));
}

void main() {
    vec3 near = v_near.xyz / v_near.w;
    vec3 ray = normalize(v_far.xyz / v_far.w - near);
    // A direction of exactly zero would make 0 / 0 on a face.
    ray = mix(ray, vec3(1e-20), vec3(equal(ray, vec3(0.0))));
    vec2 window = crossing(v_position, ray, u_window_low, u_window_high);
    // Both faces of the box are drawn; the ray is cast once, from the one where it leaves.
    bool entering = -window.x <= window.y;
    vec2 box = crossing(v_position, ray, u_box_low, u_box_high);
    float entry = max(dot(near - v_position, ray), box.x);
    int steps = int((box.y - entry) / u_step + 0.5);
    float length_of_step = (box.y - entry) / float(max(steps, 1));
    float first = max(0.0, ceil((window.x - entry) / length_of_step - 1e-3));
    int count = int(min(float(steps), floor((window.y - entry) / length_of_step + 1e-3) + 1.0) - first);
    // Zero steps and not only discard: software rasterisers go on with what they discard.
    count = entering || steps < 1 ? 0 : count;
    g_start = v_position + ray * (entry + first * length_of_step);
    g_stride = ray * length_of_step;

    begin_ray();
    bool sampled = false;
    int i = 0;
    while (i < count) {
        vec3 place = place_of(float(i));
        find_brick(place);
        vec3 bounds = mix(g_low, g_high, vec3(greaterThan(g_stride, vec3(0.0))));
        vec3 left = (bounds - place) / g_stride;
        int stop = i + int(clamp(ceil(min(min(left.x, left.y), left.z)), 1.0, float(count - i)));
        sampled = sampled || g_there;
        // A brick that cannot change the picture is walked past.
        int j = g_there && wants_brick(g_span) ? i : stop;
        // In a coarser brick one sample stands for as many as its pixels are longer.
        int run = int(max(1.0, floor(1.0 / (max(max(g_scale.x, g_scale.y), g_scale.z) * u_opacity) + 0.01)));
        vec3 coord = atlas_coord(place);
        vec3 delta = float(run) * g_stride * g_scale / u_atlas_shape;
        vec3 lowest = g_first / u_atlas_shape;
        vec3 highest = g_last / u_atlas_shape;
        while (j < stop) {
            g_run = float(run < stop - j ? run : stop - j);
            if (take_sample(texture3D(u_atlas, clamp(coord, lowest, highest)).r, j)) {
                stop = count;
                break;
            }
            coord += delta;
            j += run;
        }
        i = stop;
    }
    if (!sampled)
        discard;
    float depth_at = 0.0;
    if (!end_ray(gl_FragColor, depth_at))
        discard;
    vec4 point = $to_document(vec4(place_of(depth_at), 1.0));
    // A point at the near plane can round to behind the eye.
    // What is far away must stay in front of nothing, in a depth buffer of 16 bits too.
    gl_FragDepth = point.w > 0.0 ? clamp((point.z / point.w + 1.0) / 2.0, 0.0, 0.99998) : 0.0;
}
