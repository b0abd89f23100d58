"""Expert that tidies up: it hooks a drawer open, carries the object in and pushes the drawer shut."""

import numpy as np
from jaxtyping import Float

from ..expert import Expert, ExpertView
from ..kinematics import goal_of
from ..props.chest import TRAVEL, bar, bottom, extension, in_drawer
from .carry import Errand, carry, retreat
from .drawer import WIDE, hooked, pull, push, rise

CONTENT = 0.01
"""Tolerance by which a drawer may be less than wide open once the object is in the grip [m]."""
DROP = 0.03
"""Height of an object's underside above the drawer's floor at release [m]."""
STUCK = 0.05
"""Distance of the fingers from their commanded position beyond which they are caught in a bar [m]."""
IN_THE_WAY = 0.06
"""Distance from the future place of an open drawer's bar below which an object is in its way [m]."""
PARKING = np.array([0.50, -0.14, 0.012])
"""Place where an object is put down again if its drawer is closed [m]."""


class TidyExpert(Expert):
    """Expert for scenarios with `target`, `shape` and `drawer`."""

    def wanted(self, env: ExpertView) -> Float[np.ndarray, "n 5"]:
        """Target of the gripper for the current state."""
        return _wanted(env)[None]


def _wanted(env: ExpertView) -> Float[np.ndarray, " 5"]:
    world, drawer, target = env.world, env.scenario.drawer, env.scenario.target
    held = world.held()
    here = goal_of(env.data, world.robot.site)
    if np.linalg.norm(here[:3] - env.goals()[0, :3]) > STUCK:
        return np.append(here, -1.0)
    if held - {target}:
        return retreat(env)
    if target in held:
        ready = extension(world, drawer) > WIDE - CONTENT
        spot = bottom(world, drawer) + np.array([0.0, 0.0, DROP]) if ready else PARKING
        return carry(env, Errand(target, env.scenario.shape, spot))
    if in_drawer(world, drawer, target):
        goal = push(env, drawer)
        return rise(env) if goal is None else goal
    goal = push(env, drawer) if _in_the_way(env) else pull(env, drawer)
    if goal is not None:
        return goal
    if hooked(env, drawer):
        return rise(env)
    return carry(env, Errand(target, env.scenario.shape, PARKING))


def _in_the_way(env: ExpertView) -> bool:
    """True when the object lies where its drawer's bar will come; it is moved aside while the drawer is
    shut."""
    world, drawer = env.world, env.scenario.drawer
    away = world.data.xpos[env.scenario.target] - bar(world, drawer)
    to_open = extension(world, drawer) - TRAVEL
    return bool(abs(away[0]) < IN_THE_WAY and away[1] > to_open - IN_THE_WAY)
