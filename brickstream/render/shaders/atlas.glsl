// The texture that holds the bricks.

uniform sampler3D u_atlas;

float texel(vec3 coord) {
    return texture3D(u_atlas, coord).r;
}
