"""Expert for standing a peg in a hole: grasp, carry over, line up by the peg itself, lower, let go."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from ..expert import Expert
from ..objects import Shape
from .carry import after_opening, retreat, underside, up_first
from .pick import FUNNEL, grasp_of, in_grip, reach

if TYPE_CHECKING:
    from ..manipulation_env import ManipulationEnv

TRAVEL = 0.03
"""Height of the peg's underside above the rim on its way to the hole [m]."""
READY = 0.004
"""Height above the rim at which it waits until it is lined up [m]."""
GAIN = 8.0
"""Share of what is off that is made up for [1/s]."""
LOWERING = 0.12
"""Speed of the peg on its way in [m/s]."""
LINED_UP = 0.4
"""Share of the clearance by which the peg may be off when it enters."""
SEATED = 0.003
"""Let go when the underside is this near to the table [m]."""
LIFTED = 0.008
"""What is held has left the table when its underside is this high above it [m]."""


class InsertExpert(Expert):
    """Needs `scenario.peg` and `scenario.hole`, a body with its origin in the middle of the hole on the table.

    Args:
        peg: its shape.
        depth: of the hole, from its rim to the table [m].
        clearance: by how much the hole is wider [m].
    """

    def __init__(self, peg: Shape, depth: float, clearance: float) -> None:
        self._peg, self._depth, self._clearance = peg, depth, clearance

    def wanted(self, env: "ManipulationEnv") -> Float[np.ndarray, "n 5"]:
        """Where to head for."""
        data, peg, hole = env.data, env.scenario.peg, env.scenario.hole
        off = data.xpos[hole, :2] - data.xpos[peg, :2]
        bottom = underside(env, peg)
        inside = bottom < self._depth and np.abs(off).max() < self._clearance / 2 + 0.002
        held = peg in env.world.held()
        if inside and (not held or bottom < SEATED):
            return retreat(env)[None]
        grasp = grasp_of(env, peg, self._peg)
        if not held:
            return after_opening(env, reach(env, grasp))[None]
        if not in_grip(env, peg) and bottom < LIFTED:
            return reach(env, grasp)[None]
        # Steering by what is measured of the peg makes up for how it sits in the fingers.
        reference = env.goals()[0]
        gain = min(1.0, GAIN / env.control_hz)
        yaw = reference[3] - gain * grasp[3]
        lined_up = np.abs(off).max() + self._peg.size[0] * abs(grasp[3]) < LINED_UP * self._clearance
        if inside or (lined_up and bottom < self._depth + 2 * READY):
            height = bottom - LOWERING / env.control_hz
        else:
            far = max(float(np.hypot(*off)) - READY, 0.0)
            height = self._depth + READY + min(FUNNEL * far, TRAVEL)
        place = np.array([*(reference[:2] + gain * off), reference[2] + height - bottom, yaw, -1.0])
        return (place if inside else up_first(env, place))[None]
