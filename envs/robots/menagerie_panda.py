"""The real Panda's appearance and masses, from MuJoCo Menagerie (for its source see menagerie.py).

Its frames are those of `Franka`, and so are servos, limits and home pose; its fingertips grip with the same
pads, which are invisible.
"""

from .. import menagerie
from ..arm_parts import TCP, add_finger_servo, add_pad, add_servo
from ..gl import mujoco
from ..robot import Robot
from .franka import JOINTS, LAG, TORQUE, Franka

NONE = [0.0, 0.0, 0.0]
"""Damping of the joints, whose servos have their own."""


class MenageriePanda(Franka):
    """Panda arm and hand made of meshes."""

    def add_to(self, spec: mujoco.MjSpec) -> None:
        """Adds bodies, joints, actuators and sites to a `mujoco.MjSpec`."""
        panda = menagerie.load("franka_emika_panda", "panda.xml")
        panda.option.integrator = spec.option.integrator  # the scene's business
        for body in panda.bodies[1:]:
            body.gravcomp = 1
        # MuJoCo warns about an empty prefix, hence one of theirs, which our names then replace.
        theirs = self.name("panda_")
        spec.attach(panda, prefix=theirs, frame=self.mount(spec).add_frame())
        for number, name in enumerate(self.joint_names, start=1):
            joint = spec.joint(f"{theirs}joint{number}")
            joint.name, joint.damping = self.name(name), NONE
        hand = spec.body(f"{theirs}hand")
        hand.name = self.name("hand")
        hand.add_site(name=self.name("ee"), pos=[0, 0, TCP], size=[0.005], group=4)
        for number, side in enumerate(("left", "right"), start=1):
            joint = spec.joint(f"{theirs}finger_joint{number}")
            joint.name, joint.damping, joint.armature = self.name(f"finger_{side}"), NONE, 0.05
            # Each finger has the other one at -y of its own frame.
            pad = add_pad(spec.body(f"{theirs}{side}_finger"), self.name(f"pad_{side}"), (0, 0.006, 0.034))
            pad.rgba = (0.0, 0.0, 0.0, 0.0)
        for name, row, torque in zip(self.joint_names, JOINTS, TORQUE, strict=True):
            *_, lower, upper, _, stiffness = row
            add_servo(spec, self.name(name), stiffness, LAG * stiffness, (lower, upper), torque)
        for side in ("left", "right"):
            add_finger_servo(self, spec, side)


def arms() -> tuple[Robot, ...]:
    """One arm at the origin."""
    return (MenageriePanda(),)
