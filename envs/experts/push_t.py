"""Expert that pushes a T into an outline: in every state it replans two pushes and performs the first."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..expert import Expert, ExpertView
from ..pushing import FIRST, LAST, POINTS, WAY, WAYS, after, twist

PADS = (0.010, 0.012)
"""Half sizes of closed fingers, x and y [m]."""
CORNER = np.pi / 4
"""Rotation at which the fingers push with a corner, any of the four [rad]: a flat side would push wherever
the T happens to touch it."""
TIP = 0.008
"""Height of the fingertips above the table while they push [m]."""
CLEAR = 0.040
"""Height of the fingertips above the table on the way from one push to the next [m]."""
GAP = 0.012
"""Distance from the T at which the fingers descend [m]."""
ADJACENT = 0.020
"""Distance from a face below which the fingers are there to push it [m]."""
EDGE = 0.005
"""Tolerance by which the fingers may miss a face or seem to be inside it [m]."""
PLACED = 0.006
"""Largest distance from a place at which the fingers have reached it [m]."""
SPEED = 0.10
"""Speed of pushes [m/s]."""
ARM = 0.08
"""Position error that counts as much as one radian [m]."""
LIFTING = 0.015
"""Error that one more push must save [m]."""
EFFORT = 0.15
"""Error that a push must save per meter of its length: plans far ahead are uncertain."""
DONE = (0.007, 0.07)
"""Errors in position [m] and angle [rad] at which the expert stops pushing."""
KEPT = (0.012, 0.14)
"""Errors in position [m] and angle [rad] that are accepted once the fingers have left."""
LENGTHS = np.array([0.004, 0.010, 0.020, 0.035, 0.055, 0.08, 0.11, 0.15])
"""Lengths of the pushes considered [m]."""
REGION = (0.44 - 0.13j, 0.57 + 0.13j)
"""Corners of the region through which the T may be pushed [m]."""
SPOTS = np.array([0j, 0.02j, -0.02j, -0.05j, 0.03 + 0.02j, -0.03 + 0.02j])
"""Places at which to press on a T that has left the region, in its frame [m]."""
TOP, DEPTH = 0.024, 0.002
"""Height of the T, and commanded depth of the fingertips when they press on it [m]."""
SHIFTS, TURNS = twist(POINTS, WAYS)


class PushTExpert(Expert):
    """Expert for scenarios with a `tee` and the outline's pose, `place` (complex, [m]) and `angle` [rad]."""

    def wanted(self, env: ExpertView) -> Float[np.ndarray, "n 5"]:
        """Target of the gripper for the current state."""
        data, tee, reference = env.data, env.scenario.tee, env.goals()[0]
        rotation = data.xmat[tee]
        place, angle = complex(*data.xpos[tee, :2]), float(np.arctan2(rotation[3], rotation[0]))
        tip = env.world.robot.lowest(env.model, data)
        to_tip = data.site_xpos[env.world.robot.site, 2] - tip
        fingers, low = complex(*reference[:2]), reference[2] - to_tip < TIP + 0.006
        goal = Goal(env.scenario.place, env.scenario.angle)
        tolerance = DONE if low else KEPT
        if abs(place - goal.place) < tolerance[0] and abs(_wrapped(angle - goal.angle)) < tolerance[1]:
            return np.array([[*reference[:2], CLEAR + to_tip, reference[3], -1.0]])
        ahead = np.exp(1j * angle)
        if (drag := _drag(env, place, ahead, reference[2] - to_tip)) is not None:
            to, height = drag
            return np.array([[to.real, to.imag, height + to_tip, reference[3], -1.0]])
        yaw = reference[3] + _wrapped(4 * (angle + CORNER - reference[3])) / 4
        turned = np.exp(1j * (angle - reference[3]))
        limits = env.definition.robots[0].limits
        before = place + ahead * (POINTS - WAYS * (GAP + _depth(turned * WAYS)))
        open_ = (
            (before.real > limits.low[0]) & (before.real < limits.high[0])
            & (before.imag > limits.low[1]) & (before.imag < limits.high[1])
        )  # fmt: skip
        values = np.where(open_, goal.left(place, angle, SHIFTS, TURNS)[0], np.inf)
        values = values + 0.02 * np.abs(before - fingers)
        points, ways, gaps = _contacts((fingers - place) / ahead, turned)
        if low and len(points):
            onward, lengths = goal.left(place, angle, *twist(points, ways))
            best = onward.argmin()
            if onward[best] < values.min() + LIFTING:
                to = fingers + ahead * ways[best] * min(SPEED / env.control_hz, gaps[best] + lengths[best])
                return np.array([[to.real, to.imag, TIP + to_tip, yaw, -1.0]])
        to, height = before[values.argmin()], CLEAR
        if abs(to - fingers) < PLACED:
            height = TIP
        elif reference[2] - to_tip < CLEAR - 0.004:
            to = fingers
        return np.array([[to.real, to.imag, height + to_tip, yaw, -1.0]])


def _drag(env: ExpertView, place: complex, ahead: complex, tip: float) -> tuple[complex, float] | None:
    """Target of the gripper and height of the fingertips for dragging back, pressed from above, a T that
    cannot be pushed back from behind; None if this is unnecessary or impossible."""
    limits, fingers = env.definition.robots[0].limits, complex(*env.goals()[0, :2])
    spots = place + ahead * SPOTS
    low, high = complex(*limits.low[:2]), complex(*limits.high[:2])
    within = (_clamped(spots, low, high) == spots).nonzero()[0]
    away = _outside(np.array([place]))[0]
    if len(within) == 0 or away == 0.0:
        return None
    spot = complex(spots[within[0]])
    pressing = abs(spot - fingers) < PLACED and tip < TOP + 0.003
    if not pressing and away < 0.02:
        return None
    if pressing:
        way = complex(_clamped(np.array([place]), *REGION)[0]) - place
        return fingers + way / abs(way) * SPEED / env.control_hz, TOP - DEPTH
    if abs(spot - fingers) < PLACED:
        return spot, TOP - DEPTH
    return (fingers if tip < CLEAR - 0.004 else spot), CLEAR


@dataclass(frozen=True)
class Goal:
    """Target pose of the T."""

    place: complex
    """Position of the center of mass, x + iy [m]."""
    angle: float
    """Angle of the T [rad]."""

    def left(
        self, place: complex, angle: float, shift: np.ndarray, turn: np.ndarray
    ) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
        """Error left after the best push in each of k ways and, if it pays, the best push after it; and the
        length of the first push [m]."""
        one = after(np.array(place), np.array(angle), shift[:, None], turn[:, None], LENGTHS)
        two = after(
            one[0][..., None, None], one[1][..., None, None], SHIFTS[:, None], TURNS[:, None], LENGTHS
        )
        again = (self._error(*two) + EFFORT * LENGTHS).min(axis=(2, 3)) + LIFTING
        left = np.minimum(self._error(*one), again) + _outside(one[0]) + EFFORT * LENGTHS
        best = left.argmin(axis=1)
        return left[np.arange(len(best)), best], LENGTHS[best]

    def _error(self, place: np.ndarray, angle: np.ndarray) -> np.ndarray:
        way, turn = place - self.place, ARM * (angle - self.angle)
        return np.sqrt(np.real(way) ** 2 + np.imag(way) ** 2 + turn**2)


def _clamped(place: np.ndarray, low: complex, high: complex) -> np.ndarray:
    """Nearest positions inside a rectangle."""
    return np.clip(np.real(place), low.real, high.real) + 1j * np.clip(np.imag(place), low.imag, high.imag)


def _outside(place: np.ndarray) -> np.ndarray:
    """Distance of a T from the region where it can be pushed from every side [m]."""
    return np.abs(place - _clamped(place, *REGION))


def _contacts(fingers: complex, turned: complex) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points of the T next to the fingers, on one or two faces, the directions of a push there, in its frame,
    and their distances [m]."""
    along = (LAST - FIRST) / np.abs(LAST - FIRST)
    way = ((fingers - FIRST) * np.conj(along)).real
    gap = -((fingers - FIRST) * np.conj(WAY)).real - _depth(turned * WAY)
    beside = (way > -EDGE) & (way < np.abs(LAST - FIRST) + EDGE) & (gap < ADJACENT) & (gap > -EDGE)
    return (FIRST + way * along)[beside], WAY[beside], gap[beside]


def _depth(way: np.ndarray) -> np.ndarray:
    """Distance from the middle of the fingers to where they touch what they push along `way`, in their frame
    [m]."""
    return PADS[0] * np.abs(np.real(way)) + PADS[1] * np.abs(np.imag(way))


def _wrapped(angle: float) -> float:
    return float((angle + np.pi) % (2 * np.pi) - np.pi)
