"""Dealing: a scene's objects, dressed and scattered, none favoured by its slot."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from .objects import SHAPES, dress, put
from .placement import scatter
from .task import World


def deal(
    world: World,
    things: Sequence[tuple[str, str]],
    corners: tuple[Float[np.ndarray, " 2"], Float[np.ndarray, " 2"]],
    pads_outer: float,
    rng: np.random.Generator,
) -> list[int]:
    """Puts each (colour, shape) somewhere between `corners` [m]; returns its body.

    The bodies "object_0", "object_1", ... take the things in random order, so that a body's number says
    nothing.

    Args:
        pads_outer: from the middle of the open gripper to the outside of a pad [m].
    """
    slots = rng.permutation(len(things)).tolist()
    shapes = [SHAPES[kind] for _, kind in things]
    yaws = np.array([rng.uniform(-shape.yaw, shape.yaw) for shape in shapes])
    centres = scatter([shape.radius for shape in shapes], yaws, corners, pads_outer, rng)
    bodies = []
    for i, (colour, kind) in enumerate(things):
        bodies.append(dress(world.model, f"object_{slots[i]}", kind, colour))
        put(world, bodies[i], np.append(centres[i], shapes[i].height), yaws[i])
    return bodies
