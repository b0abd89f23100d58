"""Expert for tidying up: hook a drawer open, carry the object in, push the drawer shut."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from ..chest import BAR, BAR_GAP, BAR_HEIGHT, TRAVEL, bar, bottom, extension, in_drawer
from ..expert import Expert
from .carry import RETREAT, Errand, carry, retreat
from .pick import cone

if TYPE_CHECKING:
    from ..manipulation_env import ManipulationEnv

HOVER = 0.08
"""Height above a place at the bar from which the gripper comes down [m]."""
TIPS = 0.014
"""Depth of the fingertips below the middle of the bar that they pull or push [m]."""
ABOVE = 0.025
"""Fingertips this far above the middle of the bar touch nothing near it [m]."""
WIDE = TRAVEL - 0.025
"""A drawer that is this far open takes an object [m]; one that is held already is content with less."""
CONTENT = 0.01
"""How much less [m]."""
WIDEST = TRAVEL - 0.008
"""Who pulls already stops here [m]."""
SHUT, NEARLY_SHUT = 0.003, 0.010
"""Who pushes already stops at the first extension [m], who does not only starts above the second."""
BEHIND, BEFORE = (BAR_GAP + BAR[1]) / 2, -0.026
"""From the bar to the closed fingers that are about to pull it, and to push it, along y [m]."""
SIDEWAYS = 0.02
"""Fingers are at the bar when no farther than this from its middle, along x [m]."""
NEAR = 0.08
"""Fingers farther than this from the bar are clear of it [m]."""
GAIN = 8.0
"""Speed of pulling and pushing for each metre that is left [1/s]."""
CLOSED = 0.01
"""Opening of fingers with nothing between them [m]."""
DROP = 0.03
"""Height of an object's underside above the drawer's floor when it is let go [m]."""
PARKING = np.array([0.50, -0.14, 0.012])
"""Where an object is put down again if its drawer is closed [m]."""


class TidyExpert(Expert):
    """Needs `scenario.target`, `scenario.shape` and `scenario.drawer`."""

    def wanted(self, env: "ManipulationEnv") -> Float[np.ndarray, "n 5"]:
        """Where to head for."""
        return _wanted(env)[None]


def _wanted(env: "ManipulationEnv") -> Float[np.ndarray, " 5"]:
    world, drawer, target = env.world, env.scenario.drawer, env.scenario.target
    extended, held = extension(world, drawer), world.held()
    if held - {target}:
        return retreat(env)
    if target in held:
        ready = extended > WIDE - CONTENT
        spot = bottom(world, drawer) + np.array([0.0, 0.0, DROP]) if ready else PARKING
        return carry(env, Errand(target, env.scenario.shape, spot))
    if in_drawer(world, drawer, target):
        pushing = _at_bar(env, -1)
        if extended < (SHUT if pushing else NEARLY_SHUT):
            return _rise(env)
        return _slide(env, extended) if pushing else _approach(env, BEFORE)
    pulling = _at_bar(env, 1)
    if extended < (WIDEST if pulling else WIDE):
        return _slide(env, extended - TRAVEL) if pulling else _approach(env, BEHIND)
    if _shut(env) and not _above(env) and _beside(env) < NEAR:
        return _rise(env)
    return carry(env, Errand(target, env.scenario.shape, PARKING))


def _approach(env: "ManipulationEnv", aside: float) -> Float[np.ndarray, " 5"]:
    """Come down on one side of the bar with closed fingers."""
    if not (_shut(env) or _above(env)):
        return retreat(env)
    reference, robot = env.goals()[0], env.world.robot
    length = env.data.site_xpos[robot.site, 2] - robot.lowest(env.model, env.data)
    pose = np.append(bar(env.world, env.scenario.drawer) + np.array([0.0, aside, length - TIPS]), 0.0)
    pose[2] += cone(reference[:4], pose, HOVER)
    if reference[2] < pose[2] - 0.02:
        pose[:2], pose[3] = reference[:2], reference[3]
    return np.append(pose, -1.0)


def _slide(env: "ManipulationEnv", way: float) -> Float[np.ndarray, " 5"]:
    """Move the bar along y by `way` [m]."""
    reference = env.goals()[0]
    step = way * min(1.0, GAIN / env.control_hz)
    return np.array([reference[0], reference[1] + step, *reference[2:4], -1.0])


def _rise(env: "ManipulationEnv") -> Float[np.ndarray, " 5"]:
    """Straight up with closed fingers."""
    reference = env.goals()[0]
    return np.array([*reference[:2], RETREAT, reference[3], -1.0])


def _at_bar(env: "ManipulationEnv", side: int) -> bool:
    """Whether closed fingers are behind (1) or before (-1) the bar, low enough to move it."""
    x, y = (env.data.site_xpos[env.world.robot.site] - bar(env.world, env.scenario.drawer))[:2]
    low = env.world.robot.lowest(env.model, env.data) < BAR_HEIGHT
    return bool(_shut(env) and low and abs(x) < SIDEWAYS and 0 < side * y < BAR_GAP + BAR[1])


def _shut(env: "ManipulationEnv") -> bool:
    return env.world.robot.opening(env.data) < CLOSED


def _above(env: "ManipulationEnv") -> bool:
    return env.world.robot.lowest(env.model, env.data) > BAR_HEIGHT + ABOVE


def _beside(env: "ManipulationEnv") -> float:
    """From the gripper to the bar, in the plane [m]."""
    way = env.data.site_xpos[env.world.robot.site] - bar(env.world, env.scenario.drawer)
    return float(np.hypot(way[0], way[1]))
