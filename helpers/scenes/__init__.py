"""The embedded data set: seeded, procedural interiors with exact instance masks.

In reading order: `config` says what is wanted; `rooms` furnishes a room (where: `layout`, how it
looks: `furniture`, `decor`, `shell`); `render` makes picture and labels of a view (`geometry`,
`raycast`, `rasterise`, `textures`, `shading`, `picture`); `write` makes one scene's files and
`make` the whole set. The camera is drawn in `cameras`, the light in `lights`, the errors of the
annotations in `noise`, each from a stream of its own (`random`).
"""
