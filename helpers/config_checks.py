"""Values of config fields that have the right type and still mean nothing.

Every check raises a ValueError that names `section.field`, its value, and what it has to be.
"""

from __future__ import annotations

from collections.abc import Sequence


def check_not_below_zero(section: str, config: object, *names: str) -> None:
    """Refuse numbers below 0."""
    for name in names:
        if getattr(config, name) < 0:
            raise ValueError(f"{section}.{name} is {getattr(config, name)}: it can not be below 0")


def check_above_zero(section: str, config: object, *names: str) -> None:
    """Refuse 0 and numbers below; None is left alone."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not value > 0:
            raise ValueError(f"{section}.{name} is {value}: it has to be above 0")


def check_shares(section: str, config: object, *names: str) -> None:
    """Refuse numbers outside 0..1."""
    for name in names:
        value = getattr(config, name)
        if not 0 <= value <= 1:
            raise ValueError(f"{section}.{name} is {value}: it has to lie between 0 and 1")


def check_sides(section: str, short_side: tuple[int, int], max_side: int) -> None:
    """Refuse sizes that a limit would cut without a word, or that are none."""
    if not 1 <= short_side[0] <= short_side[1]:
        raise ValueError(
            f"{section}.short_side is {short_side}: give px, 1 or more, the smaller first"
        )
    if short_side[1] > max_side:
        raise ValueError(
            f"{section}.short_side goes up to {short_side[1]} px, but {section}.max_side cuts all "
            f"sides at {max_side}: raise {section}.max_side, too"
        )


def check_anchors(section: str, sizes: Sequence[float], ratios: Sequence[float]) -> None:
    """Refuse anchors that are not one size for each of five levels, or have no shape."""
    if len(sizes) != 5 or min(sizes) <= 0:
        raise ValueError(
            f"{section}.anchor_sizes is {sizes}: give five sizes above 0 px, one for each level "
            "P2..P6"
        )
    if not ratios or min(ratios) <= 0:
        raise ValueError(
            f"{section}.anchor_ratios is {ratios}: give one ratio height / width above 0, or more"
        )


def check_levels(section: str, levels: Sequence[int]) -> None:
    """Refuse pyramid levels that are none, are not there, or come twice."""
    if not levels or len(set(levels)) < len(levels) or not set(levels) <= set(range(2, 7)):
        raise ValueError(
            f"{section}.point_levels is {levels}: give one or more of 2, 3, 4, 5, 6, each once"
        )


def check_mask_size(section: str, size: int) -> None:
    """Refuse grids that are not the double of a smaller one."""
    if size < 2 or size % 2:
        raise ValueError(
            f"{section}.mask_size is {size}: give an even number of 2 or more, as the mask head "
            "doubles a grid of half the side"
        )


def check_gamma(section: str, config: object, name: str) -> None:
    """Refuse exponents of the focal loss whose gradient is not finite everywhere."""
    gamma = getattr(config, name)
    if gamma != 0 and gamma < 1:
        raise ValueError(
            f"{section}.{name} is {gamma}: it has to be 0 (no focus) or at least 1, as otherwise "
            "the gradient is NaN wherever the prediction is exactly right"
        )
