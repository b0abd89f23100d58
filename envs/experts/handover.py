"""Expert that passes a bar from hand to hand in the air, as a function of the state alone.

The giver grasps the bar at its own end and presents it along the line between the arms; the receiver descends
on the other end and closes; the giver opens and rises; the receiver lays the bar down.
"""

import math

import numpy as np
from jaxtyping import Float

from ..expert import Expert, ExpertView
from ..kinematics import goal_of
from ..props.bars import BARS, on_mat
from .pick import HOVER, IN_PLACE, STILL, cone, misalignment

END = 0.045
"""Distance from a bar's center to the middle of a gripper that holds it, which keeps the hands apart [m]."""
EXCHANGE = np.array([0.485, 0.0, 0.20])
"""Center of the presented bar [m]."""
OFFERED = 0.012
"""Largest distance of the bar's center from EXCHANGE at which the bar counts as presented [m]."""
STRAIGHT = 0.15
"""Largest rotation of the bar from straight ahead at which it counts as presented [rad]."""
WAITING_Y, WAITING_Z = 0.15, 0.26
"""Distance from the middle and height at which an idle gripper waits [m]."""
BELOW = 0.02
"""Depth below its travel height from which the gripper rises before it moves sideways [m]."""
LIFTED = 0.01
"""Height of a bar's center above its resting height from which it has left the table [m]."""
TRAVEL = 0.10
"""Height above a mat at which a bar is carried to it [m]."""
DROP = 0.004
"""Height of the bar's underside above the table at release [m]."""
LOOSE = 0.008
"""Excess of the fingers' distance over the bar's width from which they are open around it [m]."""
FLICKER = 0.003
"""Largest excess of the fingers' distance over the bar's width at which they hold it [m]."""
INSIDE = 0.012
"""Largest distance from a bar's axis to the middle of fingers that hold it [m]."""
OVER = 0.02
"""Distance on its own side from which the receiver fetches a bar that lies there [m]; a bar that fell where
it was presented is the giver's."""
CLEAR = 0.045
"""Height of a gripper above the bar from which it may move away [m]."""


class HandoverExpert(Expert):
    """Expert for scenarios with `target`, `kind`, `giver`, `receiver` and `mat`."""

    def wanted(self, env: ExpertView) -> Float[np.ndarray, "n 5"]:
        """Targets of both grippers for the current state."""
        scenario = env.scenario
        hands = [_Hand(env, arm) for arm in range(2)]
        giver, receiver = hands[scenario.giver], hands[scenario.receiver]
        if giver.holds and receiver.holds:
            # Both hold still; the giver opens once the receiver has a firm grip.
            giver.goal = np.append(giver.reference[:4], 1.0 if receiver.still else -1.0)
            receiver.goal = np.append(receiver.reference[:4], -1.0)
        elif giver.holds:
            giver.goal = giver.grasp() if giver.is_closing else giver.hold_out()
            receiver.goal = receiver.grasp() if giver.offers else receiver.wait_above()
        elif receiver.holds:
            giver.goal = giver.leave()
            free = giver.is_clear
            receiver.goal = receiver.lay_down() if free else np.append(receiver.reference[:4], -1.0)
            if free and receiver.is_closing:
                receiver.goal = receiver.grasp()
        elif on_mat(env.world, scenario.mat, scenario.target):
            giver.goal, receiver.goal = giver.leave(), receiver.leave()
        else:
            over = receiver.side * giver.bar[1] > OVER
            fetcher, other = (receiver, giver) if over else (giver, receiver)
            fetcher.goal = fetcher.grasp()
            other.goal = other.leave()
        return np.array([hand.goal for hand in hands])


class _Hand:
    """One gripper and its relation to the bar."""

    goal: Float[np.ndarray, " 5"]

    def __init__(self, env: ExpertView, arm: int) -> None:
        data, scenario = env.data, env.scenario
        self.index = env.world.robots[arm]
        self.limits = env.definition.robots[arm].limits
        self.reference = env.goals()[arm]
        self.pose = goal_of(data, self.index.site)
        self.opening = self.index.opening(data)
        self.still = self.index.fingers_speed(data) < STILL
        self.ahead = sum(self.limits.yaw) / 2
        self.side = -1 if self.ahead > 0 else 1
        self.shape = BARS[scenario.kind]
        self.bar = data.xpos[scenario.target]
        self.mat = env.model.body_pos[scenario.mat]
        axis = data.xmat[scenario.target].reshape(3, 3)[:, 0]
        forward = np.array([math.cos(self.ahead), math.sin(self.ahead)])
        self.axis = axis if axis[:2] @ forward > 0 else -axis
        """Unit vector along the bar, away from the arm."""
        self.turn = math.remainder(math.atan2(self.axis[1], self.axis[0]) - self.ahead, 2 * math.pi)
        """Rotation of the bar from straight ahead [rad]."""
        self.holds = scenario.target in self.index.held(env.model, data) or self._is_around()

    @property
    def is_closing(self) -> bool:
        """True while the bar is on the table and the grip is not firm."""
        return not self.still and bool(self.bar[2] < self.shape.height + LIFTED)

    @property
    def offers(self) -> bool:
        """True when the bar is where the other arm can take it."""
        off = np.abs(self.bar - EXCHANGE).max()
        return bool(self.still and off < OFFERED and abs(self.turn) < STRAIGHT)

    @property
    def is_clear(self) -> bool:
        """True when this gripper can no longer touch the bar."""
        beside = np.linalg.norm(self.pose[:2] - self.bar[:2]) > self.shape.size[0] + 0.03
        return bool(beside or self.pose[2] > self.bar[2] + CLEAR)

    def grasp(self) -> Float[np.ndarray, " 5"]:
        """Descends on this arm's end of the bar and closes."""
        point = np.clip(self.bar - END * self.axis, self.limits.low, self.limits.high)
        grasp = np.append(point, self.ahead + self.turn)
        error = self.pose - grasp
        if misalignment(error) < IN_PLACE and abs(error[2]) < IN_PLACE:
            return np.append(grasp, -1.0)
        return np.array([*point[:2], point[2] + cone(self.reference[:4], grasp, HOVER), grasp[3], 1.0])

    def hold_out(self) -> Float[np.ndarray, " 5"]:
        """Brings the bar to the middle, pointing at the other arm."""
        return self._up_first(np.append(self._gripper_for(EXCHANGE), -1.0))

    def wait_above(self) -> Float[np.ndarray, " 5"]:
        """Waits above the end of the bar that will be presented."""
        x, y, z = EXCHANGE
        return np.array([x, y + self.side * END, z + HOVER, self.ahead, 1.0])

    def lay_down(self) -> Float[np.ndarray, " 5"]:
        """Brings the bar above the mat, lowers it and opens."""
        x, y, z = self.mat
        place = self._gripper_for(np.array([x, y, z + self.shape.height + DROP]))
        error = self.pose - place
        if misalignment(error) < IN_PLACE and abs(error[2]) < IN_PLACE:
            return np.append(place, 1.0)
        lift = cone(self.reference[:4], place, TRAVEL)
        return self._up_first(np.array([*place[:2], place[2] + lift, place[3], -1.0]))

    def leave(self) -> Float[np.ndarray, " 5"]:
        """Opens, rises straight up and returns to the waiting position."""
        if self.is_clear:
            goal = np.array([EXCHANGE[0], self.side * WAITING_Y, WAITING_Z, self.ahead, 1.0])
            return self._up_first(goal) if self.pose[2] < self.bar[2] + CLEAR else goal
        if self.opening < 2 * self.shape.size[1] + LOOSE:
            return np.append(self.reference[:4], 1.0)
        return np.array([*self.reference[:2], self.limits.high[2], self.reference[3], 1.0])

    def _is_around(self) -> bool:
        """True when closed fingers have the bar between them: contacts flicker where motions start and
        stop."""
        offset = self.pose[:3] - self.bar
        along = np.clip(offset @ self.axis, -self.shape.size[0], self.shape.size[0])
        beside = np.linalg.norm(offset - along * self.axis)
        width = 2 * self.shape.size[1]
        shut = self.reference[4] < 0 and 0.5 * width < self.opening < width + FLICKER
        return bool(shut and beside < INSIDE)

    def _gripper_for(self, center: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " 4"]:
        """Gripper pose [x, y, z, yaw] that puts the held bar at `center`, straight ahead."""
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        x, y, z = self.bar - self.pose[:3]
        offset = np.array([cos * x + sin * y, cos * y - sin * x, z])
        return np.append(center - offset, self.pose[3] - self.turn)

    def _up_first(self, goal: Float[np.ndarray, " 5"]) -> Float[np.ndarray, " 5"]:
        """Returns `goal`, replaced by a point straight above while the gripper is well below it."""
        if self.reference[2] < goal[2] - BELOW:
            return np.array([*self.reference[:2], goal[2], self.reference[3], goal[4]])
        return goal
