"""The embedded data set: seeded, procedural interiors with exact instance masks.

In reading order: `config` says what is wanted; `rooms` furnishes a room (where: `layout`, how it
looks: `furniture`, `decor`, `shell`); `render` chooses a camera and makes picture and labels of
what it sees (`raycast`, `rasterise`, `textures`, `shading`, `picture`); `write` makes one scene's
files and `make` the whole set. The errors of the annotations are drawn in `noise`; every purpose
has a stream of random numbers of its own (`random`).
"""
