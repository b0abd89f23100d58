"""Evaluation results out of thin air, for tests of what is done with results."""

import math

import numpy as np

from vlasandbox.envs.seeds import TEST
from vlasandbox.eval.result import Condition, EpisodeResult, EvalResult, Outcome
from vlasandbox.policies.execution import Execution

SPEC = {
    "task": "pick",
    "robot": "franka",
    "wording": "plain",
    "combinations": "all",
    "perturb": "",
    "action_space": {"name": "ee_delta", "dims": ["dx", "dy", "dz", "dyaw", "gripper"]},
    "control_hz": 10.0,
    "cameras": ["front", "wrist"],
    "image_size": 96,
}


def result(
    policy: str,
    outcomes: str,
    condition: Condition = "test",
    *,
    first_seed: int = TEST.start,
    ms: float = 12.0,
) -> EvalResult:
    """One episode per letter of `outcomes`: s(uccess), f(ailure), t(imeout), e(rror), m(issing)."""
    words: dict[str, Outcome] = {
        "s": "success", "f": "failure", "t": "timeout", "e": "error", "m": "missing",
    }  # fmt: skip
    episodes = [
        EpisodeResult(
            seed=first_seed + i,
            outcome=words[letter],
            steps=20,
            progress=float(letter == "s"),
            stage="lifted" if letter == "s" else "reached",
            instruction="pick up the red cube",
            error="RuntimeError: boom" if letter == "e" else None,
            actions=np.zeros((20, 5), np.float32),
            chunks=[(0, np.zeros((8, 5), np.float32))],
        )
        for i, letter in enumerate(outcomes)
    ]
    expert = policy == "expert"
    timed = condition == "test" and not expert
    return EvalResult(
        policy=policy,
        checkpoint="" if expert else f"runs/{policy}/policy",
        task="pick",
        condition=condition,
        seed_start=first_seed,
        episodes=episodes,
        execution=Execution(1 if expert else 4),
        sampling="",
        lanes=0 if expert else 16,
        threads=0 if expert else 2,
        evaluations=0 if expert else 10,
        chunk_ms_p50=ms if timed else math.nan,
        chunk_ms_p95=1.5 * ms if timed else math.nan,
        wall_seconds=1.0,
        env_steps=20 * len(outcomes),
        spec=SPEC,
        versions={"mujoco": "4.0.0"},
    )
