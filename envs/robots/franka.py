"""A 7-joint arm with the kinematics of the Franka Emika Panda and its hand, drawn with capsules and boxes.

Sources of the numbers: frames (Craig's modified Denavit-Hartenberg parameters), flange, joint limits and hand
from Franka's public interface documentation; link masses rounded from Gaz et al., "Dynamic identification of
the Franka Emika Panda robot with retrieval of feasible parameters" (RA-L 2019). Only the fingers collide.
"""

import math
from typing import Any

import numpy as np

from ..gl import mujoco
from ..robot import Robot

# a [m], d [m], alpha [rad], lower limit [rad], upper limit [rad], mass [kg], servo stiffness [N m/rad]
JOINTS = (
    (0.0, 0.333, 0.0, -2.8973, 2.8973, 4.97, 4500.0),
    (0.0, 0.0, -math.pi / 2, -1.7628, 1.7628, 0.65, 4500.0),
    (0.0, 0.316, math.pi / 2, -2.8973, 2.8973, 3.23, 3500.0),
    (0.0825, 0.0, math.pi / 2, -3.0718, -0.0698, 3.59, 3500.0),
    (-0.0825, 0.384, -math.pi / 2, -2.8973, 2.8973, 1.23, 2000.0),
    (0.0, 0.0, math.pi / 2, -0.0175, 3.7525, 1.67, 2000.0),
    (0.088, 0.0, math.pi / 2, -2.8973, 2.8973, 0.74, 2000.0),
)
LAG = 0.04
"""Damping over stiffness of every servo [s]."""
TORQUE = (87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0)
"""Largest joint torques [N m]."""

# link: capsules as (from, to, radius) [m] in the frame of the joint that moves the link
LINKS: dict[int, tuple[tuple[tuple[float, ...], tuple[float, ...], float], ...]] = {
    1: (((0, 0, -0.20), (0, 0, -0.02), 0.058), ((0, -0.05, 0), (0, 0.05, 0), 0.062)),
    2: (((0, 0, 0), (0, -0.14, 0), 0.056),),
    3: (((0, 0, -0.16), (0, 0, -0.03), 0.054), ((0, 0, 0), (0.0825, 0, 0), 0.056)),
    4: (((0, 0, -0.03), (0, 0, 0.03), 0.056), ((0, 0, 0), (-0.0825, 0.09, 0), 0.054)),
    5: (((0, 0, -0.29), (0, 0.03, -0.05), 0.046),),
    6: (((0, 0, -0.03), (0, 0, 0.05), 0.046), ((0, 0, 0), (0.088, 0, 0), 0.042)),
    7: (((0, 0, 0.0), (0, 0, 0.075), 0.042),),
}
WHITE = (0.93, 0.93, 0.95, 1.0)
DARK = (0.16, 0.17, 0.19, 1.0)
FLANGE = 0.107
"""From the last joint to the hand [m]."""
FINGER_MOUNT = 0.0584
"""From the hand to the fingers' mount [m]."""
TCP = 0.1034
"""From the hand to the middle of the finger pads [m]."""


class Franka(Robot):
    """Panda arm and hand."""

    joint_names = tuple(f"joint_{i}" for i in range(1, 8))
    home = (0.0, 0.05, 0.0, -2.45, 0.0, 2.50, 0.785)
    joint_low = tuple(row[3] for row in JOINTS)
    joint_high = tuple(row[4] for row in JOINTS)
    finger_travel = 0.04
    pads_outer = 0.052

    def add_to(self, spec: Any) -> None:
        """Adds bodies, joints, actuators and sites to a `mujoco.MjSpec`."""
        body = self.mount(spec)
        _capsule(body, (0, 0, 0.02), (0, 0, 0.11), 0.07, WHITE)
        for number, (a, d, alpha, lower, upper, mass, stiffness) in enumerate(JOINTS, start=1):
            body = body.add_body(
                name=self.name(f"link_{number}"),
                pos=[a, -math.sin(alpha) * d, math.cos(alpha) * d],
                quat=[math.cos(alpha / 2), math.sin(alpha / 2), 0, 0],
                gravcomp=1,
            )
            joint = self.name(self.joint_names[number - 1])
            body.add_joint(name=joint, axis=[0, 0, 1], range=[lower, upper], limited=True, armature=0.1)
            for start, end, radius in LINKS[number]:
                _capsule(body, start, end, radius, WHITE)
            _set_mass(body, mass, LINKS[number])
            torque = TORQUE[number - 1]
            _servo(spec, joint, stiffness, LAG * stiffness, (lower, upper), torque)
        self._add_hand(spec, body)

    def _add_hand(self, spec: Any, link: Any) -> None:
        # The hand is mounted at -45 degrees about the flange.
        hand = link.add_body(
            name=self.name("hand"),
            pos=[0, 0, FLANGE],
            quat=[math.cos(math.pi / 8), 0, 0, -math.sin(math.pi / 8)],
            gravcomp=1,
        )
        hand.explicitinertial = True
        hand.mass, hand.ipos, hand.inertia = 0.73, [0, 0, 0.03], [0.0025, 0.001, 0.002]
        _box(hand, (0, 0, 0.036), (0.022, 0.095, 0.026), DARK)
        hand.add_site(name=self.name("ee"), pos=[0, 0, TCP], size=[0.005], group=4)
        for side, sign in zip(("left", "right"), (1, -1), strict=True):
            finger = self.name(f"finger_{side}")
            body = hand.add_body(name=finger, pos=[0, 0, FINGER_MOUNT], gravcomp=1)
            body.add_joint(
                name=finger, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[0, sign, 0],
                range=[0, self.finger_travel], limited=True, armature=0.05,
            )  # fmt: skip
            body.explicitinertial = True
            body.mass, body.ipos, body.inertia = 0.015, [0, 0, 0.025], [5e-6, 5e-6, 2e-6]
            _box(body, (0, sign * 0.013, 0.016), (0.009, 0.011, 0.016), DARK)
            body.add_geom(
                name=self.name(f"pad_{side}"), type=mujoco.mjtGeom.mjGEOM_BOX, mass=0,
                rgba=(0.95, 0.95, 0.95, 1.0),
                pos=[0, sign * 0.006, 0.034], size=[0.010, 0.006, 0.019], contype=2, conaffinity=1,
                condim=4, friction=[1.5, 0.02, 0.001],
                # Stiffer than the default, in which the pads sink millimetres into what they hold.
                priority=1, solref=[0.01, 1], solimp=[0.95, 0.99, 0.001, 0.5, 2],
            )  # fmt: skip
            _servo(spec, finger, 600.0, 12.0, (0.0, self.finger_travel), 40.0)


def _servo(
    spec: Any, joint: str, stiffness: float, damping: float, span: tuple[float, float], force: float
) -> None:
    """A position servo: force = stiffness * (setpoint - q) - damping * qdot, limited to `force`."""
    servo = spec.add_actuator(name=joint, target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
    servo.gaintype, servo.biastype = mujoco.mjtGain.mjGAIN_FIXED, mujoco.mjtBias.mjBIAS_AFFINE
    servo.gainprm[0] = stiffness
    servo.biasprm[1:3] = [-stiffness, -damping]
    servo.ctrllimited, servo.ctrlrange = True, list(span)
    servo.forcelimited, servo.forcerange = True, [-force, force]


def _capsule(body: Any, start: tuple, end: tuple, radius: float, rgba: tuple) -> None:
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_CAPSULE, fromto=[*start, *end], size=[radius, 0, 0], rgba=rgba,
        contype=0, conaffinity=0, mass=0,
    )  # fmt: skip


def _box(body: Any, pos: tuple, size: tuple, rgba: tuple) -> None:
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX, pos=pos, size=size, rgba=rgba, contype=0, conaffinity=0, mass=0
    )


def _set_mass(body: Any, mass: float, capsules: tuple) -> None:
    """Centre of mass amid the capsules, inertia of a sphere of 8 cm."""
    ends = np.array([point for start, end, _ in capsules for point in (start, end)])
    body.explicitinertial = True
    body.mass, body.ipos, body.inertia = mass, ends.mean(axis=0), [0.4 * mass * 0.08**2] * 3


def arms() -> tuple[Robot, ...]:
    """One arm at the origin."""
    return (Franka(),)
