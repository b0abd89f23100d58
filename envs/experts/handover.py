"""Expert for passing a bar from hand to hand in the air, told apart by the state alone.

The giver grasps the bar at its own end and holds it out along the line between the arms; the receiver comes
down on the other end and closes; the giver opens and rises; the receiver lays the bar down.
"""

import math

import numpy as np
from jaxtyping import Float

from ..expert import Expert, ExpertView
from ..kinematics import goal_of
from ..props.bars import BARS, on_mat
from .pick import HOVER, IN_PLACE, STILL, cone, misalignment

END = 0.045
"""From a bar's centre to the middle of a gripper that holds it [m]: hands stay clear of each other."""
EXCHANGE = np.array([0.485, 0.0, 0.20])
"""Centre of the bar that is held out [m]."""
OFFERED = 0.012
"""It is held out when this near to there [m]."""
STRAIGHT = 0.15
"""And turned by no more than this [rad]."""
WAITING_Y, WAITING_Z = 0.15, 0.26
"""Where an idle gripper stays, away from the middle [m]."""
BELOW = 0.02
"""Rise before moving sideways when this far below the height to travel at [m]."""
LIFTED = 0.01
"""A bar has left the table when its centre is this much higher than at rest [m]."""
TRAVEL = 0.10
"""A bar is carried to a mat this high above it [m]."""
DROP = 0.004
"""Height of its underside above the table when it is let go [m]."""
LOOSE = 0.008
"""Fingers are open around a bar when their distance exceeds its width by this [m]."""
FLICKER = 0.003
"""Fingers that hold a bar are no farther apart than its width and this [m]."""
INSIDE = 0.012
"""And their middle no farther from its axis [m]."""
OVER = 0.02
"""The receiver fetches a bar that lies this far on its side [m]; one that fell where it was held out is
the giver's."""
CLEAR = 0.045
"""Height of a gripper over the bar from which it may go its way [m]."""


class HandoverExpert(Expert):
    """Needs `scenario.target`, `kind`, `giver`, `receiver` and `mat`."""

    def wanted(self, env: ExpertView) -> Float[np.ndarray, "n 5"]:
        """Where to head for."""
        scenario = env.scenario
        hands = [_Hand(env, arm) for arm in range(2)]
        giver, receiver = hands[scenario.giver], hands[scenario.receiver]
        if giver.holds and receiver.holds:
            # Both stay; the giver opens once the receiver has a firm grip.
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
    """One gripper and the bar."""

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
        """Along the bar, away from the arm."""
        self.turn = math.remainder(math.atan2(self.axis[1], self.axis[0]) - self.ahead, 2 * math.pi)
        """Of the bar, from straight ahead [rad]."""
        self.holds = scenario.target in self.index.held(env.model, data) or self._is_around()

    @property
    def is_closing(self) -> bool:
        """Whether the bar is still on the table and the grip not firm."""
        return not self.still and bool(self.bar[2] < self.shape.height + LIFTED)

    @property
    def offers(self) -> bool:
        """Whether the bar is where the other arm takes it."""
        off = np.abs(self.bar - EXCHANGE).max()
        return bool(self.still and off < OFFERED and abs(self.turn) < STRAIGHT)

    @property
    def is_clear(self) -> bool:
        """Whether this gripper can no longer touch the bar."""
        beside = np.linalg.norm(self.pose[:2] - self.bar[:2]) > self.shape.size[0] + 0.03
        return bool(beside or self.pose[2] > self.bar[2] + CLEAR)

    def grasp(self) -> Float[np.ndarray, " 5"]:
        """Down on this arm's end of the bar and close."""
        point = np.clip(self.bar - END * self.axis, self.limits.low, self.limits.high)
        grasp = np.append(point, self.ahead + self.turn)
        error = self.pose - grasp
        if misalignment(error) < IN_PLACE and abs(error[2]) < IN_PLACE:
            return np.append(grasp, -1.0)
        return np.array([*point[:2], point[2] + cone(self.reference[:4], grasp, HOVER), grasp[3], 1.0])

    def hold_out(self) -> Float[np.ndarray, " 5"]:
        """The bar to the middle, pointing at the other arm."""
        return self._up_first(np.append(self._gripper_for(EXCHANGE), -1.0))

    def wait_above(self) -> Float[np.ndarray, " 5"]:
        """Over the end of the bar that will be offered."""
        x, y, z = EXCHANGE
        return np.array([x, y + self.side * END, z + HOVER, self.ahead, 1.0])

    def lay_down(self) -> Float[np.ndarray, " 5"]:
        """The bar over the mat, down, open."""
        x, y, z = self.mat
        place = self._gripper_for(np.array([x, y, z + self.shape.height + DROP]))
        error = self.pose - place
        if misalignment(error) < IN_PLACE and abs(error[2]) < IN_PLACE:
            return np.append(place, 1.0)
        lift = cone(self.reference[:4], place, TRAVEL)
        return self._up_first(np.array([*place[:2], place[2] + lift, place[3], -1.0]))

    def leave(self) -> Float[np.ndarray, " 5"]:
        """Open, straight up, back to where it waits."""
        if self.is_clear:
            goal = np.array([EXCHANGE[0], self.side * WAITING_Y, WAITING_Z, self.ahead, 1.0])
            return self._up_first(goal) if self.pose[2] < self.bar[2] + CLEAR else goal
        if self.opening < 2 * self.shape.size[1] + LOOSE:
            return np.append(self.reference[:4], 1.0)
        return np.array([*self.reference[:2], self.limits.high[2], self.reference[3], 1.0])

    def _is_around(self) -> bool:
        """Whether closed fingers have the bar between them: contact flickers where motions start and stop."""
        offset = self.pose[:3] - self.bar
        along = np.clip(offset @ self.axis, -self.shape.size[0], self.shape.size[0])
        beside = np.linalg.norm(offset - along * self.axis)
        width = 2 * self.shape.size[1]
        shut = self.reference[4] < 0 and 0.5 * width < self.opening < width + FLICKER
        return bool(shut and beside < INSIDE)

    def _gripper_for(self, centre: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " 4"]:
        """Gripper [x, y, z, yaw] at which the bar that it holds is at `centre`, straight ahead."""
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        x, y, z = self.bar - self.pose[:3]
        offset = np.array([cos * x + sin * y, cos * y - sin * x, z])
        return np.append(centre - offset, self.pose[3] - self.turn)

    def _up_first(self, goal: Float[np.ndarray, " 5"]) -> Float[np.ndarray, " 5"]:
        """`goal`, but straight up as long as it is well above."""
        if self.reference[2] < goal[2] - BELOW:
            return np.array([*self.reference[:2], goal[2], self.reference[3], goal[4]])
        return goal
