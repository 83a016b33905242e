// The atlas: one texture, or several of the same size, each with its share of the slots.

uniform vec3 u_atlas_shape;             // texels of one texture
uniform vec3 u_slots;                   // slots of one texture along each axis
float g_atlas;                          // the texture that is read
