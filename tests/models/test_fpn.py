"""The pyramid: shapes, top-down sum, P6."""

import torch

from helpers.models.fpn import FPN


def test_levels_channels_and_p6():
    maps = [torch.randn(2, c, 64 // s, 96 // s) for c, s in ((8, 4), (16, 8), (32, 16), (64, 32))]
    pyramid = FPN((8, 16, 32, 64), 12)(maps)
    assert [tuple(p.shape) for p in pyramid] == [
        (2, 12, 64 // s, -(-96 // s)) for s in (4, 8, 16, 32, 64)
    ]
    assert torch.equal(pyramid[4], pyramid[3][:, :, ::2, ::2])


def test_a_coarse_value_reaches_the_fine_maps_by_nearest_neighbour():
    fpn = FPN((1, 1, 1, 1), 1)
    for block in (*fpn.lateral, *fpn.output):
        block[0].weight.data.zero_()
        block[0].weight.data[..., block[0].kernel_size[0] // 2, block[0].kernel_size[1] // 2] = 1
    maps = [torch.zeros(1, 1, s, s) for s in (16, 8, 4, 2)]
    maps[3][0, 0, 0, 1] = 5
    finest = fpn(maps)[0][0, 0]
    assert (finest[:8, 8:] == 5).all()
    assert finest.sum() == 5 * 64
