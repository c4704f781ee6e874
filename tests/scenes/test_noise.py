"""Annotation noise: the level scales it, decoding blends gives third labels."""

from __future__ import annotations

import numpy as np

from helpers.scenes import noise


def test_a_blend_of_two_objects_falls_to_a_third():
    colours = np.array([[64, 64, 64], [250, 102, 102], [85, 179, 254], [235, 117, 255]], np.uint8)
    fine = np.ones((8, 8), np.int32)
    fine[:, 6:] = 2  # with factor 4 the right column is half 1, half 2
    picture = noise.antialias_colours(fine, colours, 4)
    assert picture[0, 1].tolist() == [168, 141, 178]
    assert noise.nearest_labels(picture, colours).tolist() == [[1, 3], [1, 3]]
