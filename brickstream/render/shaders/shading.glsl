// Light from the eye on a surface, as vispy's Volume has it: two tenths from everywhere, the rest as the surface faces
// the light, and a highlight.

// `normal` may point to either side; both vectors may have any length. A normal of zero faces nothing.
float lit(float value, vec3 normal, vec3 towards) {
    float steepness = length(normal);
    float facing = steepness > 0.0 ? abs(dot(normal / steepness, normalize(towards))) : 0.0;
    return value * (0.2 + facing) + pow(facing, 40.0);
}
