"""Chunks of expert actions from an environment's present state, played out in a branch that is then
undone."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32

from .manipulation_env import ManipulationEnv


@dataclass(frozen=True)
class ExpertChunk:
    """The expert's next k actions. Where the episode ended earlier, the last one is repeated."""

    actions: Float32[np.ndarray, "k a"]
    """Actions of the expert, in the environment's action space."""
    commands: Float[np.ndarray, "k r"]
    """The commands that they ask for (see control.py), which give the actions in any other space."""
    mask: Bool[np.ndarray, " k"]
    """True up to the action with which the episode ended."""
    is_lost: bool
    """Whether the task was lost on the way: from here on, the expert is no example."""


def expert_chunk(env: ManipulationEnv, k: int) -> ExpertChunk:
    """The expert's next `k` actions from the present state, in which `env` is afterwards. Draws no images."""
    expert = env.definition.expert()
    origin = env.reference().astype(np.float64)
    actions, commands, is_lost = [], [], False
    with branch(env):
        for _ in range(k):
            reference = env.reference().astype(np.float64)
            command = env.command_towards(expert.wanted(env))
            # A "relative" action counts from the start of its chunk, here as where the policy's is executed.
            relative = env.actions.mode == "relative"
            actions.append(env.actions.encode(command, origin if relative else reference).astype(np.float32))
            commands.append(command)
            step = env.actions.encode(command, reference).astype(np.float32)
            _, _, terminated, truncated, info = env.step_block(step[None], render=False)
            if terminated or truncated:
                is_lost = terminated and not info["is_success"]
                break
    rows = np.minimum(np.arange(k), len(actions) - 1)
    mask = np.arange(k) < len(actions)
    return ExpertChunk(np.array(actions)[rows], np.array(commands)[rows], mask, is_lost)


def expert_solves(env: ManipulationEnv) -> bool:
    """Whether the expert succeeds in the time left from the present state, to which `env` returns."""
    expert = env.definition.expert()
    with branch(env):
        while True:
            action = expert.act(env)
            _, _, terminated, truncated, info = env.step_block(action[None], render=False)
            if terminated or truncated:
                return info["is_success"]


@contextmanager
def branch(env: ManipulationEnv) -> Iterator[None]:
    """Context that restores `env` afterwards to its state at entry."""
    before = env.snapshot()
    try:
        yield
    finally:
        env.restore(before)
