"""Replays a recorded episode exactly, with pictures for people, and verifies that it is the same episode."""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, UInt8

from ...common.errors import InputError, VlaError
from ...envs.config import EnvConfig
from ...envs.control import GRIPPER
from ...envs.manipulation_env import ManipulationEnv
from ..result import Condition, EpisodeResult, EvalResult, Outcome


class ReplayError(VlaError, ValueError):
    """Error about a replay that ends differently from the recorded episode."""


@dataclass(frozen=True)
class Plan:
    """Planned motion of a policy, in image coordinates."""

    points: Float[np.ndarray, "k 2"]
    """Pixels (x, y) of the commanded gripper positions, the next one first; outside the image if out of
    view."""
    closes: Bool[np.ndarray, " k"]
    """True where the gripper is commanded to close, for each position."""


@dataclass(frozen=True)
class Shot:
    """Pictures of one control step."""

    image: UInt8[np.ndarray, "h w 3"]
    inset: UInt8[np.ndarray, "i i 3"]
    """Picture of the wrist camera."""
    plan: Plan | None
    """Rest of the current chunk; None before the first one and for the expert."""


@dataclass(frozen=True)
class Footage:
    """Pictures of a whole episode."""

    policy: str
    seed: int
    condition: Condition
    instruction: str
    outcome: Outcome | Literal["not judged"]
    fps: float
    """Control rate [Hz], at which the video runs at real speed."""
    shots: list[Shot] = field(repr=False)
    """Pictures at the start and after every control step."""


def replay(
    result: EvalResult, episode: EpisodeResult, *, size: int = 240, sentence: str | None = None
) -> Footage:
    """Replays `episode`, one of `result`, and renders it.

    Args:
        result: evaluation that the episode belongs to.
        episode: what to replay, with its actions.
        size: width and height of the pictures [pixels].
        sentence: instruction that replaced the episode's own in `evaluate`.

    Raises:
        ValueError: the actions of this episode were not kept.
        ReplayError: the replay's steps or outcome differ from the recorded ones: another version of the
            environment or of MuJoCo, or an episode that depends on more than its seed.
    """
    if episode.actions is None:
        raise InputError(
            f"the actions of seed {episode.seed} of {result.policy} were not kept: nothing to replay"
        )
    # The images of these cameras are discarded.
    env = replace(EnvConfig.of_spec(result.spec), cameras=None, image_size=8).build()
    try:
        wording = "swapped" if result.condition == "swapped_instruction" else "original"
        said = {"instruction": wording} if sentence is None else {"sentence": sentence}
        env.reset(seed=episode.seed, options=said)
        shots, outcome = _run(env, episode, size)
        instruction = env.task_description
    finally:
        env.close()
    if (outcome, instruction, len(shots) - 1) != (episode.outcome, episode.instruction, episode.steps):
        raise ReplayError(
            f"seed {episode.seed} of {result.policy} ({result.condition}) was recorded as "
            f"{episode.outcome!r} after {episode.steps} steps of {episode.instruction!r}, but replays as "
            f"{outcome!r} after {len(shots) - 1} steps of {instruction!r}; recorded with {result.versions}"
        )
    return Footage(
        result.policy, episode.seed, result.condition, instruction, outcome, result.spec["control_hz"], shots
    )


def _run(env: ManipulationEnv, episode: EpisodeResult, size: int) -> tuple[list[Shot], Outcome]:
    assert episode.actions is not None
    chunks = dict(episode.chunks)
    view, wrist = env.definition.cameras[-1], env.definition.cameras[1]
    targets, closes, queried = np.empty((0, 3)), np.empty(0, bool), 0
    shots: list[Shot] = []

    def shoot(step: int) -> None:
        image = env.render_frame(view, size, size)
        inset = env.render_frame(wrist, size // 4, size // 4, quality="fast")
        rest = slice(step - queried, None)
        points = env.project(targets[rest], view, size, size)
        shots.append(Shot(image, inset, Plan(points, closes[rest]) if len(targets) else None))

    # An episode that raised has no ending.
    outcome: Outcome = "error"
    for step, action in enumerate(episode.actions):
        if step in chunks:
            targets, closes = planned(env, chunks[step])
            queried = step
        shoot(step)
        _, _, terminated, truncated, info = env.step(action)
        if terminated or truncated:
            outcome = "timeout" if truncated else "success" if info["is_success"] else "failure"
            break
    shoot(len(shots))
    return shots, outcome


def planned(
    env: ManipulationEnv, chunk: Float[np.ndarray, "k a"]
) -> tuple[Float[np.ndarray, "k 3"], Bool[np.ndarray, " k"]]:
    """Gripper positions that `chunk` commands from now on [m, world frame], and which steps close it.

    The controller's bounds are applied. Of several arms, the first.
    """
    commands = env.plan(chunk)
    grippers = np.concatenate([[env.reference()[GRIPPER]], commands[:, GRIPPER]])
    return commands[:, :3], (grippers[1:] < 0) & (grippers[:-1] > 0)
