"""7-joint arm with the kinematics of the Franka Emika Panda and its hand, drawn with capsules and boxes.

Sources of the numbers: frames (Craig's modified Denavit-Hartenberg parameters), flange, joint limits and hand
from Franka's public interface documentation; link masses rounded from Gaz et al., "Dynamic identification of
the Franka Emika Panda robot with retrieval of feasible parameters" (RA-L 2019). Only the fingers collide.
"""

import math

from ..arm_parts import WHITE, add_capsule, add_hand, add_servo, set_mass
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
"""Ratio of damping to stiffness of every servo [s]."""
TORQUE = (87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0)
"""Maximum joint torques [N m]."""

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
FLANGE = 0.107
"""Distance from the last joint to the hand [m]."""


class Franka(Robot):
    """Panda arm and hand."""

    joint_names = tuple(f"joint_{i}" for i in range(1, 8))
    home = (0.0, 0.05, 0.0, -2.45, 0.0, 2.50, 0.785)
    joint_low = tuple(row[3] for row in JOINTS)
    joint_high = tuple(row[4] for row in JOINTS)
    finger_travel = 0.04
    pads_outer = 0.052

    def add_to(self, spec: mujoco.MjSpec) -> None:
        """Adds bodies, joints, actuators and sites to a `mujoco.MjSpec`."""
        body = self.mount(spec)
        add_capsule(body, (0, 0, 0.02), (0, 0, 0.11), 0.07, WHITE)
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
                add_capsule(body, start, end, radius, WHITE)
            set_mass(body, mass, LINKS[number])
            torque = TORQUE[number - 1]
            add_servo(spec, joint, stiffness, LAG * stiffness, (lower, upper), torque)
        # The hand is mounted at -45 degrees about the flange.
        turned = (math.cos(math.pi / 8), 0.0, 0.0, -math.sin(math.pi / 8))
        add_hand(self, spec, body, (0.0, 0.0, FLANGE), turned)


def arms() -> tuple[Robot, ...]:
    """One arm at the origin."""
    return (Franka(),)
