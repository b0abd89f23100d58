"""Spawning of a scene's objects: they are dressed and scattered such that no slot is special."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from ..placement import Corners, scatter
from ..world import World
from .objects import SHAPES, dress, put

T = TypeVar("T")


def sample_spread(
    draw: Callable[[World, np.random.Generator], T],
    world: World,
    rng: np.random.Generator,
    alike: Callable[[T, T], bool] = lambda wide, nominal: True,
) -> T:
    """Draws with `draw` at the spread of `world`; for draws that need rejection sampling.

    `rng` is left as a draw at a spread of 1 would leave it, so that everything drawn later stays the same.

    Args:
        draw: function of a world, whose spread counts, and of a generator.
        alike: what the draw must have in common with the one at a spread of 1.
    """
    if world.spread == 1.0:
        return draw(world, rng)
    elsewhere = copy.deepcopy(rng)
    nominal = draw(replace(world, spread=1.0), rng)
    while not alike(wide := draw(world, elsewhere), nominal):
        pass
    return wide


def spawn_objects(
    world: World,
    things: Sequence[tuple[str, str]],
    corners: Callable[[float], Corners],
    pads_outer: float,
    rng: np.random.Generator,
) -> list[int]:
    """Puts each (color, shape) somewhere in an area; returns the body ids.

    The bodies "object_0", "object_1", ... become the things in random order, so that a body id reveals
    nothing.

    Args:
        corners: function that returns the area for a spread.
        pads_outer: distance from the middle of the open gripper to the outer face of a pad [m].
    """
    slots = rng.permutation(len(things)).tolist()
    shapes = [SHAPES[kind] for _, kind in things]
    yaws = np.array([rng.uniform(-shape.yaw, shape.yaw) for shape in shapes])
    radii = [shape.radius for shape in shapes]

    centres = sample_spread(
        lambda at, rng: scatter(radii, yaws, corners(at.spread), pads_outer, rng), world, rng
    )
    bodies = []
    for i, (color, kind) in enumerate(things):
        bodies.append(dress(world.model, f"object_{slots[i]}", kind, color))
        put(world, bodies[i], np.append(centres[i], shapes[i].height), yaws[i])
    return bodies
