"""The embedded data set: seeded, procedural interiors with exact instance masks."""
