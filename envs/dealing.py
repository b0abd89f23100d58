"""Dealing: a scene's objects, dressed and scattered, none favoured by its slot."""

from collections.abc import Callable, Sequence

import numpy as np

from .objects import SHAPES, dress, put
from .placement import Corners, scatter, widened
from .task import World


def deal(
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

    def places(spread: float, rng: np.random.Generator) -> np.ndarray:
        return scatter(radii, yaws, corners(spread), pads_outer, rng)

    centres = widened(places, world.spread, rng)
    bodies = []
    for i, (colour, kind) in enumerate(things):
        bodies.append(dress(world.model, f"object_{slots[i]}", kind, colour))
        put(world, bodies[i], np.append(centres[i], shapes[i].height), yaws[i])
    return bodies
