"""Expert that stands a peg in a hole: grasp, carry, align by the peg itself, lower, release."""

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
"""Height above the rim at which the peg waits until it is aligned [m]."""
CENTERD = 0.002
"""Largest distance from the peg's axis at which the gripper closes [m]: held off its center of mass, a peg
hangs tilted."""
STILL = 0.0015
"""Largest distance from its command at which the gripper closes [m]: a moving gripper would tilt the peg."""
CARRYING = 0.25
"""Speed while carrying the peg, which jerks would tilt [m/s]."""
LOWERING = 0.06
"""Maximum speed of the peg on its way in [m/s]."""
CREEPING = 0.008
"""Speed of the peg when it starts on its way in [m/s]."""
FASTER = 6.0
"""Increase of that speed per meter of depth [1/s]."""
LINED_UP = 0.4
"""Largest misalignment at which the peg starts on its way in, as a share of the clearance."""
ENTERING = 0.8
"""Largest misalignment until the peg is in, as a share of the clearance."""
UPRIGHT = 0.998
"""Smallest cosine of the tilt at which the peg can still be inserted."""
SPOT = (0.42, 0.0)
"""Place, clear of the holes, where the peg is put down to right itself, x and y [m]."""
SEATED = 0.003
"""Largest height of the peg's underside above the table at which the peg is released [m]."""
LIFTED = 0.008
"""Height of a held peg's underside above the table from which it counts as lifted [m]."""


class InsertExpert(Expert):
    """Expert for scenarios with a `peg` and a `hole`, a body whose origin is the middle of the hole on the
    table.

    Args:
        peg: shape of the peg.
        depth: depth of the hole, from its rim to the table [m].
        clearance: width of the hole minus that of the peg [m].
    """

    def __init__(self, peg: Shape, depth: float, clearance: float) -> None:
        self._peg, self._depth, self._clearance = peg, depth, clearance

    def wanted(self, env: ExpertView) -> Float[np.ndarray, "n 5"]:
        """Target of the gripper for the current state."""
        data, peg, hole = env.data, env.scenario.peg, env.scenario.hole
        up = data.xmat[peg].reshape(3, 3)[:, 2]
        off = (data.xpos[hole] - data.xpos[peg] + self._peg.height * up)[:2]  # of the underside
        bottom = underside(env, peg)
        upright = up[2] > UPRIGHT
        centerd = np.abs(off).max() < self._clearance / 2 + 0.002
        inside = bool(upright and bottom < self._depth and centerd)
        held = peg in env.world.held()
        if inside and (not held or bottom < SEATED):
            return retreat(env)[None]
        grasp = grasp_of(env, peg, self._peg)
        if not held:
            return self._fetch(env, grasp)[None]
        if not in_grip(env, peg) and bottom < LIFTED:
            return reach(env, grasp)[None]
        # Steering by the measured position of the peg compensates for how it sits in the fingers.
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
        """Grasps the peg with the gripper centered on it and at rest."""
        approach = reach(env, grasp)
        gripper, told = goal_of(env.data, env.world.robot.site), env.goals()[0, :4]
        if np.abs(gripper - grasp)[:2].max() > CENTERD or np.abs(gripper - told)[:3].max() > STILL:
            approach[4] = 1.0
        return after_opening(env, approach)

    def _height(self, env: ExpertView, bottom: float, askew: float, inside: bool) -> float:
        """Target height of the underside [m]: above the rim until the peg is aligned, then lower and
        lower."""
        above = bottom - self._depth
        # Once the peg is on its way in, a larger error is tolerated; otherwise the jerk of every start would
        # abort it.
        allowed = (LINED_UP if above > 0.8 * READY else ENTERING) * self._clearance
        if inside or (askew < allowed and above < 1.5 * READY):
            return bottom - min(CREEPING + FASTER * max(READY - above, 0.0), LOWERING) / env.control_hz
        return self._depth + READY + min(FUNNEL * max(askew - READY, 0.0), TRAVEL)
