varying vec3 v_position;
varying vec4 v_near;
varying vec4 v_far;
