attribute vec3 a_position;
varying vec3 v_position;
varying vec4 v_near;
varying vec4 v_far;

void main() {
    v_position = a_position;
    vec4 seen = $to_document(vec4(a_position, 1.0));
    v_near = $from_document(vec4(seen.xy, -seen.w, seen.w));
    v_far = $from_document(vec4(seen.xy, seen.w, seen.w));
    gl_Position = $transform(vec4(a_position, 1.0));
    // Rays start on the far faces: these must not be clipped away where they lie beyond the far plane. The fragment
    // writes its own depth.
    gl_Position.z = 0.0;
}
