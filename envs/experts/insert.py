"""Expert for standing a peg in a hole: grasp, carry over, line up by the peg itself, lower, let go."""

import numpy as np
from jaxtyping import Float

from ..expert import Expert, ExpertView
from ..kinematics import goal_of
from ..props.objects import Shape
from .carry import after_opening, retreat, underside, up_first
from .pick import FUNNEL, IN_PLACE, grasp_of, in_grip, reach

TRAVEL = 0.03
"""Height of the peg's underside above the rim on its way to the hole [m]."""
READY = 0.004
"""Height above the rim at which it waits until it is lined up [m]."""
CENTRED = 0.002
"""Close when this near to the peg's axis [m]: held beside its centre of mass, it hangs askew."""
STILL = 0.0015
"""And when this near to where it was told to be [m]: moving, it would tilt the peg."""
CARRYING = 0.25
"""Speed with the peg in the grip [m/s]: jerks tilt it."""
LOWERING = 0.06
"""Speed of the peg on its way in [m/s]."""
CREEPING = 0.008
"""At its start [m/s]."""
FASTER = 6.0
"""How much faster with every metre [1/s]."""
LINED_UP = 0.4
"""Share of the clearance by which the peg may be off when it starts."""
ENTERING = 0.8
"""The same until it is in."""
UPRIGHT = 0.998
"""Cosine of the tilt at which the peg can still be inserted."""
SPOT = (0.42, 0.0)
"""Where it is put down to right itself [m], clear of the holes."""
SEATED = 0.003
"""Let go when the underside is this near to the table [m]."""
LIFTED = 0.008
"""What is held has left the table when its underside is this high above it [m]."""


class InsertExpert(Expert):
    """Needs `scenario.peg` and `scenario.hole`, a body whose origin is the middle of the hole on the table.

    Args:
        peg: its shape.
        depth: of the hole, from its rim to the table [m].
        clearance: by how much the hole is wider [m].
    """

    def __init__(self, peg: Shape, depth: float, clearance: float) -> None:
        self._peg, self._depth, self._clearance = peg, depth, clearance

    def wanted(self, env: ExpertView) -> Float[np.ndarray, "n 5"]:
        """Where to head for."""
        data, peg, hole = env.data, env.scenario.peg, env.scenario.hole
        up = data.xmat[peg].reshape(3, 3)[:, 2]
        off = (data.xpos[hole] - data.xpos[peg] + self._peg.height * up)[:2]  # of the underside
        bottom = underside(env, peg)
        upright = up[2] > UPRIGHT
        centred = np.abs(off).max() < self._clearance / 2 + 0.002
        inside = bool(upright and bottom < self._depth and centred)
        held = peg in env.world.held()
        if inside and (not held or bottom < SEATED):
            return retreat(env)[None]
        grasp = grasp_of(env, peg, self._peg)
        if not held:
            return self._fetch(env, grasp)[None]
        if not in_grip(env, peg) and bottom < LIFTED:
            return reach(env, grasp)[None]
        # Steering by what is measured of the peg makes up for how it sits in the fingers.
        gripper = goal_of(data, env.world.robot.site)
        if upright:
            askew = float(np.abs(off).max() + self._peg.size[0] * abs(grasp[3]))
            height = self._height(env, bottom, askew, inside)
        else:
            off = np.subtract(SPOT, data.xpos[peg, :2])
            if np.abs(off).max() < IN_PLACE and bottom < IN_PLACE:
                return retreat(env)[None]
            height = min(FUNNEL * float(np.hypot(*off)), self._depth + TRAVEL)
        place = np.append(gripper + np.array([*off, height - bottom, -grasp[3]]), -1.0)
        if not inside:
            place = up_first(env, place)
        if not upright:
            return place[None]
        way = place[:3] - env.goals()[0, :3]
        place[:3] -= way * max(0.0, 1.0 - CARRYING / env.control_hz / max(float(np.linalg.norm(way)), 1e-9))
        return place[None]

    def _fetch(self, env: ExpertView, grasp: Float[np.ndarray, " 4"]) -> Float[np.ndarray, " 5"]:
        """Grasp the peg, with the gripper in the middle and at rest."""
        approach = reach(env, grasp)
        gripper, told = goal_of(env.data, env.world.robot.site), env.goals()[0, :4]
        if np.abs(gripper - grasp)[:2].max() > CENTRED or np.abs(gripper - told)[:3].max() > STILL:
            approach[4] = 1.0
        return after_opening(env, approach)

    def _height(self, env: ExpertView, bottom: float, askew: float, inside: bool) -> float:
        """Where the underside should be [m]: above the rim until it is lined up, then lower and lower."""
        above = bottom - self._depth
        # Once on the way in, more is allowed: else every start, which shakes the arm, would be broken off.
        allowed = (LINED_UP if above > 0.8 * READY else ENTERING) * self._clearance
        if inside or (askew < allowed and above < 1.5 * READY):
            return bottom - min(CREEPING + FASTER * max(READY - above, 0.0), LOWERING) / env.control_hz
        return self._depth + READY + min(FUNNEL * max(askew - READY, 0.0), TRAVEL)
