"""Expert for the chest's drawers: closed fingers hook the bar and pull, or push it back."""

import numpy as np
from jaxtyping import Float

from ..expert import Expert, ExpertView
from ..props.chest import BAR, BAR_GAP, BAR_HEIGHT, TRAVEL, bar, extension
from .carry import RETREAT, retreat
from .pick import cone

HOVER = 0.08
"""Height above a place at the bar from which the gripper descends [m]."""
TIPS = 0.014
"""Depth of the fingertips below the middle of the bar while they pull or push it [m]."""
ABOVE = 0.025
"""Height of the fingertips above the middle of the bar at which they clear everything near it [m]."""
WIDE = TRAVEL - 0.025
"""Extension from which a drawer is open enough to take an object [m]."""
WIDEST = TRAVEL - 0.008
"""Extension at which a pull that is under way ends [m]."""
SHUT, NEARLY_SHUT = 0.003, 0.010
"""Extension at which a push that is under way ends, and extension from which one starts [m]."""
BEHIND, BEFORE = (BAR_GAP + BAR[1]) / 2, -0.026
"""Distance from the bar to the closed fingers that are about to pull it, and to push it, along y [m]."""
SIDEWAYS = 0.02
"""Largest distance from the middle of the bar, along x, at which fingers are at the bar [m]."""
NEAR = 0.08
"""Distance from the bar beyond which fingers are clear of it [m]."""
GAIN = 8.0
"""Speed of pulling and pushing per meter of remaining distance [1/s]."""
CLOSED = 0.01
"""Opening of fingers that hold nothing [m]."""


class DrawerExpert(Expert):
    """Expert for scenarios with a `drawer` and a direction, `opens`."""

    def wanted(self, env: ExpertView) -> Float[np.ndarray, "n 5"]:
        """Target of the gripper for the current state."""
        move = pull if env.scenario.opens else push
        goal = move(env, env.scenario.drawer)
        return (rise(env) if goal is None else goal)[None]


def pull(env: ExpertView, drawer: int) -> Float[np.ndarray, " 5"] | None:
    """Opens a drawer; None once it is wide open."""
    extended, pulling = extension(env.world, drawer), _at_bar(env, drawer, 1)
    if extended >= (WIDEST if pulling else WIDE):
        return None
    return _slide(env, extended - TRAVEL) if pulling else _approach(env, drawer, BEHIND)


def push(env: ExpertView, drawer: int) -> Float[np.ndarray, " 5"] | None:
    """Closes a drawer; None once it is shut."""
    extended, pushing = extension(env.world, drawer), _at_bar(env, drawer, -1)
    if extended < (SHUT if pushing else NEARLY_SHUT):
        return None
    return _slide(env, extended) if pushing else _approach(env, drawer, BEFORE)


def rise(env: ExpertView) -> Float[np.ndarray, " 5"]:
    """Rises straight up with closed fingers."""
    reference = env.goals()[0]
    return np.array([*reference[:2], RETREAT, reference[3], -1.0])


def hooked(env: ExpertView, drawer: int) -> bool:
    """True when closed fingers would run into the bar on their way elsewhere."""
    way = env.data.site_xpos[env.world.robot.site] - bar(env.world, drawer)
    return bool(_shut(env) and not _above(env) and np.hypot(way[0], way[1]) < NEAR)


def _approach(env: ExpertView, drawer: int, aside: float) -> Float[np.ndarray, " 5"]:
    """Lowers the closed fingers on one side of the bar."""
    if not (_shut(env) or _above(env)):
        return retreat(env)
    reference, robot = env.goals()[0], env.world.robot
    length = env.data.site_xpos[robot.site, 2] - robot.lowest(env.model, env.data)
    pose = np.append(bar(env.world, drawer) + np.array([0.0, aside, length - TIPS]), 0.0)
    pose[2] += cone(reference[:4], pose, HOVER)
    if reference[2] < pose[2] - 0.02:
        pose[:2], pose[3] = reference[:2], reference[3]
    return np.append(pose, -1.0)


def _slide(env: ExpertView, way: float) -> Float[np.ndarray, " 5"]:
    """Moves the bar along y by `way` [m]."""
    reference = env.goals()[0]
    step = way * min(1.0, GAIN / env.control_hz)
    return np.array([reference[0], reference[1] + step, *reference[2:4], -1.0])


def _at_bar(env: ExpertView, drawer: int, side: int) -> bool:
    """True when closed fingers are low enough to move the bar from `side`: 1 behind it, -1 before it."""
    x, y = (env.data.site_xpos[env.world.robot.site] - bar(env.world, drawer))[:2]
    low = env.world.robot.lowest(env.model, env.data) < BAR_HEIGHT
    return bool(_shut(env) and low and abs(x) < SIDEWAYS and 0 < side * y < BAR_GAP + BAR[1])


def _shut(env: ExpertView) -> bool:
    return env.world.robot.opening(env.data) < CLOSED


def _above(env: ExpertView) -> bool:
    return env.world.robot.lowest(env.model, env.data) > BAR_HEIGHT + ABOVE
