"""Spawning of a scene's objects: dressed and scattered, none favored by its slot."""

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
    """What `draw` draws at the spread of `world`, for draws that take as many tries as they need.

    `rng` is left as a draw at a spread of 1 leaves it, so that all that is drawn later is the same.

    Args:
        draw: given a world, whose spread counts, and a generator.
        alike: what is drawn must also have in common with what would be drawn at a spread of 1.
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
    """Puts each (colour, shape) somewhere in an area; returns its body.

    The bodies "object_0", "object_1", ... take the things in random order, so that a body's number says
    nothing.

    Args:
        corners: the area at a spread.
        pads_outer: from the middle of the open gripper to the outside of a pad [m].
    """
    slots = rng.permutation(len(things)).tolist()
    shapes = [SHAPES[kind] for _, kind in things]
    yaws = np.array([rng.uniform(-shape.yaw, shape.yaw) for shape in shapes])
    radii = [shape.radius for shape in shapes]

    centres = sample_spread(
        lambda at, rng: scatter(radii, yaws, corners(at.spread), pads_outer, rng), world, rng
    )
    bodies = []
    for i, (colour, kind) in enumerate(things):
        bodies.append(dress(world.model, f"object_{slots[i]}", kind, colour))
        put(world, bodies[i], np.append(centres[i], shapes[i].height), yaws[i])
    return bodies
