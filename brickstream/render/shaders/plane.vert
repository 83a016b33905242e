attribute vec3 a_position;
varying vec3 v_position;

void main() {
    v_position = a_position;
    gl_Position = $transform(vec4(a_position, 1.0));
}
