"""A smaller arm with 5 joints and the proportions of the SO-101, on a post, with the same gripper as the
others.

Source of the numbers: joint origins and limits in the SO-101's public URDF (TheRobotStudio/SO-ARM100, "new
calibration": every joint's zero is the middle of its range), without the offsets of a few millimeters between
its joints. All lengths are scaled by `SCALE`, so that the arm reaches as far as the others. Pan, three
parallel joints and roll turn the gripper about any vertical axis, but tilt it only in the arm's own plane,
hence not at all.
"""

from typing import Any

from ..arm_parts import TCP, WHITE, add_capsule, add_hand, add_servo, set_mass
from ..control import ControlLimits
from ..gl import mujoco
from ..robot import Robot

SCALE = 2.2
POST = 0.2
"""Height of the post under the arm [m]."""
SHOULDER_PAN = 0.0624 * SCALE
"""Height of the pan joint above the arm's base [m]."""
SHOULDER_LIFT = (0.0304 * SCALE, 0, 0.0542 * SCALE)
"""Offset from the pan joint to the lift joint [m]."""
UPPER_ARM = 0.1160 * SCALE
FOREARM = 0.1350 * SCALE
WRIST = 0.0611 * SCALE
"""Distance from the wrist's flexion joint to its roll joint [m]."""
GRIPPER = 0.0981 * SCALE
"""Distance from the roll joint to the middle of the finger pads [m]."""

Y = (0, 1, 0)
# Position of the joint in the previous link's frame [m], axis, limits [rad], mass [kg], capsules.
JOINTS: dict[str, tuple[Any, ...]] = {
    "shoulder_pan": (
        (0, 0, POST + SHOULDER_PAN), (0, 0, 1), (-1.92, 1.92), 1.0,
        (((0, 0, -0.03), (0, 0, 0.06), 0.045), ((0, 0, 0.08), SHOULDER_LIFT, 0.04)),
    ),
    "shoulder_lift": (
        SHOULDER_LIFT, Y, (-1.75, 1.75), 0.9,
        (((0, -0.03, 0), (0, 0.03, 0), 0.04), ((0, 0, 0), (0, 0, UPPER_ARM), 0.03)),
    ),
    "elbow_flex": (
        (0, 0, UPPER_ARM), Y, (-1.69, 1.69), 0.7,
        (((0, -0.03, 0), (0, 0.03, 0), 0.036), ((0, 0, 0), (FOREARM, 0, 0), 0.027)),
    ),
    "wrist_flex": (
        (FOREARM, 0, 0), Y, (-1.66, 1.66), 0.4,
        (((0, -0.03, 0), (0, 0.03, 0), 0.032), ((0, 0, 0), (WRIST, 0, 0), 0.03)),
    ),
    "wrist_roll": (
        (WRIST, 0, 0), (1, 0, 0), (-2.74, 2.84), 0.2,
        (((0, 0, 0), (GRIPPER - TCP + 0.02, 0, 0), 0.028),),
    ),
}  # fmt: skip
ORANGE = (0.95, 0.55, 0.15, 1.0)
STIFFNESS = 2000.0
"""Stiffness of every servo [N m/rad]."""
LAG = 0.04
"""Ratio of damping to stiffness of every servo [s]."""
TORQUE = 40.0
"""Maximum joint torque [N m]."""


class So101Like(Robot):
    """Arm that reaches all of `placement.WORKSPACE` with the gripper pointing straight down."""

    joint_names = tuple(JOINTS)
    home = (0.0, 0.2, 0.62, 0.75, 0.0)
    joint_low = tuple(row[2][0] for row in JOINTS.values())
    joint_high = tuple(row[2][1] for row in JOINTS.values())
    finger_travel = 0.04
    pads_outer = 0.052
    default_limits = ControlLimits(
        low=(0.34, -0.24, 0.012), high=(0.68, 0.24, 0.27), yaw=(-1.35, 1.35), max_tilt=0.0
    )

    def add_to(self, spec: mujoco.MjSpec) -> None:
        """Adds bodies, joints, actuators and sites to a `mujoco.MjSpec`."""
        body = self.mount(spec)
        add_capsule(body, (0, 0, 0.02), (0, 0, POST + SHOULDER_PAN - 0.05), 0.05, WHITE)
        for name, (pos, axis, span, mass, capsules) in JOINTS.items():
            body = body.add_body(name=self.name(name), pos=pos, gravcomp=1)
            body.add_joint(name=self.name(name), axis=axis, range=span, limited=True, armature=0.1)
            for start, end, radius in capsules:
                add_capsule(body, start, end, radius, ORANGE)
            set_mass(body, mass, capsules)
            add_servo(spec, self.name(name), STIFFNESS, LAG * STIFFNESS, span, TORQUE)
        # The arm's x axis becomes the hand's z axis, its z axis the hand's x axis.
        add_hand(self, spec, body, (GRIPPER - TCP, 0, 0), (0.0, 0.5**0.5, 0.0, 0.5**0.5))


def arms() -> tuple[Robot, ...]:
    """One arm behind the workspace."""
    return (So101Like(base=(0.18, 0.0, 0.0)),)
