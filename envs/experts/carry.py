"""Expert that puts objects where they belong, one after the other: grasp, carry, release, rise."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ..expert import Expert, ExpertView
from ..kinematics import goal_of
from ..props.objects import Shape, half_sizes
from ..world import World
from .pick import HOVER, STILL, cone, grasp_of, in_grip, in_place, reach

CLEARANCE = 0.11
"""Height of a carried object's underside above the table [m], which clears anything that stands there."""
RETREAT = 0.20
"""Height above the table to which the gripper finally rises [m]."""
LIFTED = 0.01
"""Height of a held object's underside above the table from which it counts as lifted [m]."""
BELOW = 0.02
"""Depth below its travel height from which the gripper rises before it moves sideways [m]."""


@dataclass(frozen=True)
class Errand:
    """One object and its destination."""

    body: int
    shape: Shape
    spot: Float[np.ndarray, " 3"]
    """Destination: x and y of the object's center and height of its underside at release [m]."""
    yaw: float | None = 0.0
    """Yaw of the gripper at release [rad]; None keeps the current one."""


class CarryExpert(Expert):
    """Expert that runs the errands a task returns for a state, until it returns none, and then rises with
    open fingers.

    The task must stop returning an errand once its object is in place and released.
    """

    def __init__(self, errand: Callable[[World, Any], Errand | None]) -> None:
        self._errand = errand

    def wanted(self, env: ExpertView) -> Float[np.ndarray, "n 5"]:
        """Target of the gripper for the current state."""
        errand = self._errand(env.world, env.scenario)
        return (retreat(env) if errand is None else carry(env, errand))[None]


def carry(env: ExpertView, errand: Errand) -> Float[np.ndarray, " 5"]:
    """Fetches the object, carries it to its destination and opens the gripper."""
    if errand.body not in env.world.held():
        return after_opening(env, reach(env, _reachable(env, errand)))
    place = _place(env, errand)
    if in_place(env, place):
        return np.append(place, 1.0)
    # Fingers shake while they carry something, so their stillness says nothing then.
    if not in_grip(env, errand.body) and underside(env, errand.body) < LIFTED:
        return reach(env, _reachable(env, errand))
    lift = cone(env.goals()[0, :4], place, max(CLEARANCE - errand.spot[2], HOVER / 2))
    return up_first(env, np.array([*place[:2], place[2] + lift, place[3], -1.0]))


def retreat(env: ExpertView) -> Float[np.ndarray, " 5"]:
    """Opens the gripper, then rises straight up."""
    reference = env.goals()[0]
    return after_opening(env, np.array([*reference[:2], max(RETREAT, reference[2]), reference[3], 1.0]))


def up_first(env: ExpertView, goal: Float[np.ndarray, " 5"]) -> Float[np.ndarray, " 5"]:
    """Returns `goal`, replaced by a point straight above while the gripper is well below it."""
    reference = env.goals()[0]
    if reference[2] < goal[2] - BELOW:
        return np.array([*reference[:2], goal[2], reference[3], goal[4]])
    return goal


def after_opening(env: ExpertView, goal: Float[np.ndarray, " 5"]) -> Float[np.ndarray, " 5"]:
    """Goal as from `up_first`, for an empty gripper, which does not rise while its fingers are closed or
    moving."""
    reference = env.goals()[0]
    opened = reference[4] > 0 and env.world.robot.fingers_speed(env.data) < STILL
    if reference[2] < goal[2] - BELOW and not opened:
        return np.append(reference[:4], 1.0)
    return up_first(env, goal)


def underside(env: ExpertView, body: int) -> float:
    """Height of a box's lowest point [m]."""
    down = np.abs(env.data.xmat[body].reshape(3, 3)[2]) @ half_sizes(env.model, body)
    return float(env.data.xpos[body, 2] - down)


def _reachable(env: ExpertView, errand: Errand) -> Float[np.ndarray, " 4"]:
    """The grasp, shifted off the object's middle if that is out of reach."""
    grasp, limits = grasp_of(env, errand.body, errand.shape), env.definition.robots[0].limits
    grasp[:3] = np.clip(grasp[:3], limits.low, limits.high)
    return grasp


def _place(env: ExpertView, errand: Errand) -> Float[np.ndarray, " 4"]:
    """Gripper pose [x, y, z, yaw] that puts the held object on its spot, however it is held."""
    data = env.data
    gripper = goal_of(data, env.world.robot.site)
    yaw = env.goals()[0, 3] if errand.yaw is None else errand.yaw
    turn = yaw - gripper[3]
    offset = data.xpos[errand.body, :2] - gripper[:2]
    cos, sin = math.cos(turn), math.sin(turn)
    turned = np.array([cos * offset[0] - sin * offset[1], sin * offset[0] + cos * offset[1]])
    lowest = underside(env, errand.body) - gripper[2]
    place = np.array([*(errand.spot[:2] - turned), errand.spot[2] - lowest, yaw])
    # Commands end at the limits, so an object held by its lower end cannot be lowered all the way.
    limits = env.definition.robots[0].limits
    place[:3] = np.clip(place[:3], limits.low, limits.high)
    return place
