"""Parts that arms are built from: position servos, visual capsules and boxes, and a hand with two fingers."""

import numpy as np

from .gl import mujoco
from .robot import Robot

WHITE = (0.93, 0.93, 0.95, 1.0)
DARK = (0.16, 0.17, 0.19, 1.0)
FINGER_MOUNT = 0.0584
"""Distance from the hand to the fingers' mount [m]."""
TCP = 0.1034
"""Distance from the hand to the middle of the finger pads [m]."""


def add_servo(
    spec: mujoco.MjSpec, joint: str, stiffness: float, damping: float, span: tuple[float, float], force: float
) -> None:
    """Adds a position servo: force = stiffness * (setpoint - q) - damping * qdot, limited to `force`."""
    servo = spec.add_actuator(name=joint, target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
    servo.gaintype, servo.biastype = mujoco.mjtGain.mjGAIN_FIXED, mujoco.mjtBias.mjBIAS_AFFINE
    servo.gainprm[0] = stiffness
    servo.biasprm[1:3] = [-stiffness, -damping]
    servo.ctrllimited, servo.ctrlrange = True, list(span)
    servo.forcelimited, servo.forcerange = True, [-force, force]


def add_capsule(body: mujoco.MjsBody, start: tuple, end: tuple, radius: float, rgba: tuple) -> None:
    """Adds a capsule without collisions [m]."""
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_CAPSULE, fromto=[*start, *end], size=[radius, 0, 0], rgba=rgba,
        contype=0, conaffinity=0, mass=0,
    )  # fmt: skip


def add_box(body: mujoco.MjsBody, pos: tuple, size: tuple, rgba: tuple) -> None:
    """Adds a box without collisions; half sizes [m]."""
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX, pos=pos, size=size, rgba=rgba, contype=0, conaffinity=0, mass=0
    )


def set_mass(body: mujoco.MjsBody, mass: float, capsules: tuple) -> None:
    """Sets the mass, with its center amid the capsules (from, to, radius) [m] and the inertia of an 8 cm
    sphere."""
    ends = np.array([point for start, end, _ in capsules for point in (start, end)])
    body.explicitinertial = True
    body.mass, body.ipos, body.inertia = mass, ends.mean(axis=0), [0.4 * mass * 0.08**2] * 3


def add_hand(robot: Robot, spec: mujoco.MjSpec, link: mujoco.MjsBody, pos: tuple, quat: tuple) -> None:
    """Adds the Panda's hand, drawn with boxes, at a pose in the frame of `link`; it points along its z
    axis."""
    hand = link.add_body(name=robot.name("hand"), pos=pos, quat=quat, gravcomp=1)
    hand.explicitinertial = True
    hand.mass, hand.ipos, hand.inertia = 0.73, [0, 0, 0.03], [0.0025, 0.001, 0.002]
    add_box(hand, (0, 0, 0.036), (0.022, 0.095, 0.026), DARK)
    hand.add_site(name=robot.name("ee"), pos=[0, 0, TCP], size=[0.005], group=4)
    for side, sign in (("left", 1), ("right", -1)):
        finger = robot.name(f"finger_{side}")
        body = hand.add_body(name=finger, pos=[0, 0, FINGER_MOUNT], gravcomp=1)
        body.add_joint(
            name=finger, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[0, sign, 0],
            range=[0, robot.finger_travel], limited=True, armature=0.05,
        )  # fmt: skip
        body.explicitinertial = True
        body.mass, body.ipos, body.inertia = 0.015, [0, 0, 0.025], [5e-6, 5e-6, 2e-6]
        add_box(body, (0, sign * 0.013, 0.016), (0.009, 0.011, 0.016), DARK)
        add_pad(body, robot.name(f"pad_{side}"), (0, sign * 0.006, 0.034))
        add_finger_servo(robot, spec, side)


def add_finger_servo(robot: Robot, spec: mujoco.MjSpec, side: str) -> None:
    """Adds the servo that drives one finger between closed and fully open."""
    add_servo(spec, robot.name(f"finger_{side}"), 600.0, 12.0, (0.0, robot.finger_travel), 40.0)


def add_pad(finger: mujoco.MjsBody, name: str, pos: tuple) -> mujoco.MjsGeom:
    """Adds the part of a finger that grips: a colliding box with half sizes 1, 0.6 and 1.9 cm."""
    return finger.add_geom(
        name=name, type=mujoco.mjtGeom.mjGEOM_BOX, mass=0, rgba=(0.95, 0.95, 0.95, 1.0),
        pos=pos, size=[0.010, 0.006, 0.019], contype=2, conaffinity=1,
        condim=4, friction=[1.5, 0.02, 0.001],
        # Stiffer than the default, with which the pads sink millimeters into what they hold.
        priority=1, solref=[0.01, 1], solimp=[0.95, 0.99, 0.001, 0.5, 2],
    )  # fmt: skip
