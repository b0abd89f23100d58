"""press_buttons: press two of three buttons, in an order that may differ from the order of mention."""

import itertools
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from ..expert import Expert
from ..experts.poke import PokeExpert
from ..gl import mujoco
from ..language import Form, Meaning
from ..placement import area, scatter, waiting
from ..props.objects import RGBA, add_box, body_id, from_gripper, paint
from ..props.spawn import sample_spread
from ..props.tabletop import tabletop
from ..task import Task
from ..world import Scenario, World

BUTTONS = 3
AREA = (np.array([0.43, -0.15]), np.array([0.59, 0.15]))
"""Corners of the rectangle from which the buttons' centers are drawn, x and y [m]."""
BASE = (0.030, 0.030, 0.008)
CAP = (0.020, 0.020, 0.006)
LAMP = (0.013, 0.013, 0.0145)
"""Half sizes of the lamp [m]. It is fixed and becomes visible only when its cap is pressed down."""
TOP = 0.034
"""Height of an unpressed button [m]."""
TRAVEL = 0.012
"""Travel of a button [m]."""
PRESSED = 0.009
"""Depth from which a button counts as pressed [m]."""
RADIUS = 0.05
"""Free space around each button's center [m]."""
NEAR = 0.04
"""Largest distance from a button's top at which the gripper has reached the button [m]."""
GRAY = (0.30, 0.31, 0.34, 1.0)


@dataclass(frozen=True)
class PressButtonsScenario(Scenario):
    """Scenario with the role of each button."""

    first: int
    """Body id of the cap to press first."""
    second: int
    third: int
    """Body id of the cap to leave alone."""
    caps: dict[int, str]
    """Body id of each cap -> color, for all three."""


class PressButtons(Task):
    """Press one button, then another. Pressed buttons stay down, so a wrong press cannot be undone.

    If the second button is down before the first, the episode fails and ends. So the depths of the buttons
    say it all: both are down only if the order was right.
    """

    forms = {  # noqa: RUF012
        "order": Form(
            "press the {first}, then the {second}",
            (
                "push the {first} and after that the {second}",
                "press the {first} first and the {second} second",
                "press the {second} after the {first}",
                "before you press the {second}, press the {first}",
                "start with the {first} and finish with the {second}",
            ),
            (
                "the {first} has to be pressed before the {second}",
                "push the {second} as soon as the {first} is down",
                "hit the {first}, followed by the {second}",
            ),
        )
    }
    stages = ("start", "wrong_button", "reached", "one_pressed", "pressed")
    time_limit = 6.0

    def build(self) -> mujoco.MjSpec:
        """Builds three buttons without colors. Caps stay where they are pushed: friction holds them and
        gravity does not act on them."""
        spec = tabletop(self.robots)
        for slot in range(BUTTONS):
            button = spec.worldbody.add_body(name=f"button_{slot}")
            add_box(button, (0, 0, BASE[2]), BASE, 0, GRAY)
            add_box(button, (0, 0, LAMP[2]), LAMP, 0)
            cap = button.add_body(name=f"cap_{slot}", pos=[0, 0, TOP - CAP[2]], gravcomp=1)
            cap.add_joint(
                name=f"cap_{slot}", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[0, 0, -1], range=[0, TRAVEL],
                limited=True, damping=2.0, frictionloss=2.0,
            )  # fmt: skip
            add_box(cap, (0, 0, 0), CAP, touches=2, mass=0.05)
        return spec

    def reset(self, world: World, rng: np.random.Generator) -> PressButtonsScenario:
        """Draws three colors and asks for any two of them in either order."""
        colors = [[*RGBA][i] for i in rng.permutation(len(RGBA))[:BUTTONS]]
        pads = self.robots[0].pads_outer

        def places(at: World, rng: np.random.Generator) -> Float[np.ndarray, "n 2"]:
            return scatter([RADIUS] * BUTTONS, np.zeros(BUTTONS), area(*AREA, at.spread), pads, rng)

        centres = sample_spread(places, world, rng)
        caps = [body_id(world.model, f"cap_{slot}") for slot in rng.permutation(BUTTONS).tolist()]
        for cap, color, center in zip(caps, colors, centres, strict=True):
            paint(world.model, cap, color)
            world.model.body_pos[world.model.body_parentid[cap], :2] = center
        meanings = [_meaning(first, second) for first, second in itertools.permutations(colors, 2)]
        return PressButtonsScenario(
            asked=meanings[0],
            swapped=meanings[rng.integers(1, len(meanings))],
            start=waiting(rng),
            first=caps[0],
            second=caps[1],
            third=caps[2],
            caps=dict(zip(caps, colors, strict=True)),
        )

    def questions(self, world: World, scenario: PressButtonsScenario) -> list[PressButtonsScenario]:
        """Scenarios for any two buttons in either order."""
        return [
            replace(
                scenario,
                asked=_meaning(scenario.caps[first], scenario.caps[second]),
                first=first,
                second=second,
                third=third,
            )
            for first, second, third in itertools.permutations(scenario.caps)
        ]

    def is_success(self, world: World, scenario: PressButtonsScenario) -> bool:
        """True when the two named buttons are down and the third is up."""
        return (
            _pressed(world, scenario.first)
            and _pressed(world, scenario.second)
            and not _pressed(world, scenario.third)
        )

    def has_failed(self, world: World, scenario: PressButtonsScenario) -> bool:
        """True when a button is down that should not be, or not yet."""
        too_soon = _pressed(world, scenario.second) and not _pressed(world, scenario.first)
        return too_soon or _pressed(world, scenario.third)

    def progress(self, world: World, scenario: PressButtonsScenario) -> float:
        """Progress: 0.45 for each button, of which the gripper's closeness counts for 0.2."""
        if self.has_failed(world, scenario):
            return 0.0
        done = 0.45 * _pressed(world, scenario.first)
        return done + 0.2 * max(0.0, 1.0 - from_gripper(world, self._next(world, scenario)) / 0.4)

    def stage(self, world: World, scenario: PressButtonsScenario) -> str:
        """Current stage of the episode."""
        if self.has_failed(world, scenario):
            return "wrong_button"
        if _pressed(world, scenario.first):
            return "one_pressed"
        return "reached" if from_gripper(world, scenario.first) < NEAR else "start"

    def focus(self, world: World, scenario: PressButtonsScenario) -> Float[np.ndarray, " 3"]:
        """Position of the next button to press [m]."""
        return world.data.xpos[self._next(world, scenario)]

    def expert(self) -> Expert:
        """Expert that presses one button after the other from above with closed fingers."""
        return PokeExpert(self.button)

    def button(self, world: World, scenario: PressButtonsScenario) -> Float[np.ndarray, " 3"] | None:
        """Pressed position of the top of the expert's next button [m]; None when both are done."""
        if self.is_success(world, scenario):
            return None
        base = world.model.body_parentid[self._next(world, scenario)]
        return world.data.xpos[base] + [0.0, 0.0, TOP - TRAVEL]

    def meanings(self) -> list[Meaning]:
        """Meanings for every two colors in either order."""
        return [_meaning(first, second) for first, second in itertools.permutations(RGBA, 2)]

    def _next(self, world: World, scenario: PressButtonsScenario) -> int:
        return scenario.second if _pressed(world, scenario.first) else scenario.first


def _meaning(first: str, second: str) -> Meaning:
    return Meaning.of("order", first=f"{first} button", second=f"{second} button")


def _pressed(world: World, cap: int) -> bool:
    return float(world.data.qpos[world.model.jnt_qposadr[world.model.body_jntadr[cap]]]) > PRESSED
