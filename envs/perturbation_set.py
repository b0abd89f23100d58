"""PerturbationSet: the perturbations of an environment and their levels, episode by episode.

Written as text: "camera=3" is level 3 of one perturbation, "camera=3,light=2" is two at once, and
"camera=0-3" draws a new level from 0 (off) to 3 for every episode, i.e. domain randomization.
"""

import zlib
from typing import Any

import numpy as np

from ..common.errors import InputError
from ..common.registry import parse_settings
from . import perturb
from .gl import mujoco
from .language import Wording
from .perturbation import LEVELS, Perturbation
from .task import Task
from .world import Scenario, World


class PerturbationSet:
    """Perturbations with their levels; an empty set changes nothing."""

    def __init__(self, text: str = "") -> None:
        """Parses the text.

        Raises:
            ValueError: unknown or duplicate perturbation, or invalid level.
        """
        self.text = text
        self._members: dict[str, Perturbation] = {}
        self._ranges: dict[str, range] = {}
        for name, levels in parse_settings("perturbation", text).items():
            self._members[name] = perturb.load(name)
            self._ranges[name] = _checked(name, levels)
        self._active: list[tuple[str, Perturbation, int]] = []
        self._nominal: dict[str, np.ndarray] = {}
        self._seed = 0

    def edit(self, spec: mujoco.MjSpec) -> None:
        """Adds what the perturbations need to a scene before it is compiled."""
        for member in self._members.values():
            member.edit(spec)

    def check(self, task: Task, model: mujoco.MjModel) -> None:
        """Rejects perturbations that would change nothing in a task.

        Raises:
            ValueError: the task lacks something that a perturbation needs.
        """
        for name, member in self._members.items():
            if lacks := member.lacks(task, model):
                raise InputError(f"perturbation {name!r}: {type(task).__name__} has {lacks}")

    def begin(self, model: mujoco.MjModel, seed: int) -> None:
        """Starts the episode of `seed`: restores the model and draws the levels."""
        if not self._nominal:
            fields = {field for member in self._members.values() for field in member.fields}
            self._nominal = {field: getattr(model, field).copy() for field in fields}
        for field, value in self._nominal.items():
            getattr(model, field)[:] = value
        self._seed = seed
        drawn = {
            name: int(self._rng(name, "level").integers(levels.start, levels.stop))
            for name, levels in self._ranges.items()
        }
        self._active = [(name, self._members[name], level) for name, level in drawn.items() if level]

    @property
    def spread(self) -> float:
        """Factor on the areas in which objects are placed."""
        return float(np.prod([member.spread(level) for _, member, level in self._active]))

    def wording(self, nominal: Wording) -> Wording:
        """Wording of the instruction."""
        for _, member, level in self._active:
            nominal = member.wording(level) or nominal
        return nominal

    def wordings(self, nominal: Wording) -> set[Wording]:
        """Possible wordings of the instruction."""
        found = {nominal}
        for name, member in self._members.items():
            found |= {member.wording(level) or nominal for level in self._ranges[name] if level}
        return found

    def scene(self, task: Task, world: World, scenario: Scenario) -> Scenario:
        """Applies the changes of the scene."""
        for name, member, level in self._active:
            scenario = member.scene(task, world, scenario, level, self._rng(name, "scene"))
        return scenario

    def observe(self, observation: dict[str, Any], step: int) -> dict[str, Any]:
        """Applies the changes of the observation made after `step` control steps."""
        for name, member, level in self._active:
            observation = member.observe(observation, level, self._rng(name, f"step {step}"))
        return observation

    def delays(self, control_hz: float) -> tuple[int, int]:
        """Age of observations and delay of executed actions [control steps]."""
        seconds = (
            sum(member.observation_delay(level) for _, member, level in self._active),
            sum(member.action_delay(level) for _, member, level in self._active),
        )
        seen, done = (max(1, round(s * control_hz)) if s else 0 for s in seconds)
        return seen, done

    def _rng(self, name: str, purpose: str) -> np.random.Generator:
        return np.random.default_rng([self._seed, 3, zlib.crc32(f"{name} {purpose}".encode())])


def parse_levels(text: str) -> range:
    """Parses "3" or "0-3" into a range, which is empty if the text or the level is invalid."""
    low, dash, high = text.partition("-")
    try:
        found = range(int(low), int(high if dash else low) + 1)
    except ValueError:
        return range(0)
    return found if found and found[0] >= 0 and found[-1] in LEVELS else range(0)


def _checked(name: str, text: str) -> range:
    found = parse_levels(text)
    if not found:
        raise InputError(
            f"perturbation {name!r} has no valid level {text!r}; write {name}=3 for one of 1 to "
            f"{LEVELS.stop - 1}, or {name}=0-3 to draw one for each episode"
        )
    return found
