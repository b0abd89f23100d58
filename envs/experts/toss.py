"""Expert for tossing: it grasps, winds up, accelerates in a straight line and releases toward the bin."""

import math

import numpy as np
from jaxtyping import Float

from ..expert import Expert, ExpertView
from ..props.objects import SHAPES, from_gripper
from .carry import after_opening, retreat
from .pick import grasp_of, in_grip, in_place, reach

GRAVITY = 9.81
RUN_UP = 0.2
"""Time from the start of a throw to the command to open [s]: whole control steps at 5 to 50 Hz."""
VELOCITY = (1.15, 0.45)
"""Velocity of the throw, horizontal and vertical [m/s]."""
CAUGHT_UP = 0.97
"""Measured velocity of the cube at release as a share of the commanded one."""
CARRYING = 0.4
"""Maximum speed of all motions other than the throw [m/s]."""
HEIGHT = 0.20
"""Height of the gripper at the command to open [m]."""
THROWN = 0.1
"""Share of the throw's velocity from which a cube on its lane is being thrown."""
LANE = 0.03
"""Largest distance of the gripper from the line of the throw [m]."""
FLYING = (0.06, 0.3)
"""Height above the table [m] and speed [m/s]; a released cube that exceeds either is flying."""
ACROSS = math.pi / 2
"""Yaw of a gripper with its fingers beside the throw [rad]."""
WITHIN = 0.015
"""Largest distance from the middle of closed fingers at which a cube is between them [m]."""
ON_TABLE = 0.03
"""Height of a cube's center below which it has not been lifted [m]."""
LIFTED = 0.06
"""Height of a cube above the table from which it is carried on [m]."""


class TossExpert(Expert):
    """Expert for scenarios with a `target` and a `bin`.

    Args:
        wall: height of the bin's walls [m].
    """

    def __init__(self, wall: float) -> None:
        self._wall = wall

    def wanted(self, env: ExpertView) -> Float[np.ndarray, "n 5"]:
        """Target of the gripper for the current state."""
        data, cube, reference = env.data, env.scenario.target, env.goals()[0]
        place = data.xpos[cube]
        address = env.model.body_dofadr[cube]
        velocity = data.qvel[address : address + 3]
        # A jerk can take the pads off the cube for a moment.
        shaken = reference[4] < 0 and place[2] > ON_TABLE and from_gripper(env.world, cube) < WITHIN
        if cube not in env.world.held() and not shaken:
            if place[2] > FLYING[0] or np.hypot(*velocity[:2]) > FLYING[1] or abs(place[1]) > 0.25:
                return _slowly(env, retreat(env))
            grasp = grasp_of(env, cube, SHAPES["cube"])
            if grasp[3] < 0.33:  # else across is out of the joints' range
                grasp[3] += math.pi / 2
            return _slowly(env, after_opening(env, reach(env, grasp)))
        release, way = self._throw(data.xpos[env.scenario.bin])
        windup = release - RUN_UP * way
        step = way / env.control_hz
        behind = (release - reference[:3]) @ way / (way @ way)  # time until the release [s]
        off = np.linalg.norm(reference[:3] + behind * way - release)
        thrown = velocity @ way / (way @ way) > THROWN
        if thrown and off < LANE and behind < RUN_UP:
            opens = behind < 0.5 / env.control_hz
            return np.array([[*(reference[:3] + step), ACROSS, -1.0 if not opens else 1.0]])
        if in_place(env, np.array([*windup, ACROSS])) and np.linalg.norm(reference[:3] - windup) < 0.002:
            return np.array([[*(reference[:3] + step), ACROSS, -1.0]])
        if place[2] < LIFTED:
            if not in_grip(env, cube) and place[2] < ON_TABLE:
                return np.append(reference[:4], -1.0)[None]
            return _slowly(env, np.array([*reference[:2], windup[2], reference[3], -1.0]))
        return _slowly(env, np.array([*windup, ACROSS, -1.0]))

    def _throw(self, bin_: Float[np.ndarray, " 3"]) -> tuple[np.ndarray, np.ndarray]:
        """Place of the command to open [m], and the velocity there [m/s]."""
        side = math.copysign(1.0, bin_[1])
        way = np.array([0.0, side * VELOCITY[0], VELOCITY[1]])
        rise, fall = CAUGHT_UP * VELOCITY[1], HEIGHT - self._wall / 2
        flight = (rise + math.sqrt(rise**2 + 2 * GRAVITY * fall)) / GRAVITY
        return np.array([bin_[0], bin_[1] - CAUGHT_UP * way[1] * flight, HEIGHT]), way


def _slowly(env: ExpertView, goal: Float[np.ndarray, " 5"]) -> Float[np.ndarray, "1 5"]:
    """Returns `goal`, moved closer if CARRYING would be exceeded."""
    here = env.goals()[0, :3]
    way = goal[:3] - here
    length = max(float(np.linalg.norm(way)), 1e-9)
    return np.append(here + way * min(1.0, CARRYING / env.control_hz / length), goal[3:])[None]
