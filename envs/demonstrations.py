"""Demonstrations: runs a task's expert through one episode, disturbed on request, and records it."""

from dataclasses import asdict
from typing import Any

import gymnasium
import numpy as np

from .episode import Episode
from .expert import Detours, NoiseConfig
from .gl import mujoco
from .manipulation_env import ManipulationEnv


def collect_episode(env: ManipulationEnv, seed: int, noise: NoiseConfig | None = None) -> Episode:
    """Records the episode of `seed`; with `noise`, it is a function of both."""
    expert = env.definition.expert()
    # A different stream from the one that drew the scene.
    detours = Detours(noise, env.control_hz, np.random.default_rng([seed, 1])) if noise else None
    observation, info = env.reset(seed=seed)
    initial_state = env.physics_state()
    rows: list[tuple[Any, ...]] = []
    done = False
    while not done:
        wanted = expert.wanted(env)
        command, reference = env.command_towards(wanted), env.reference()
        detour = detours.divert(env, command, wanted) if detours else None
        action, executed = (
            env.actions.encode(asked, reference.astype(np.float64)).astype(np.float32)
            for asked in (command, command if detour is None else detour)
        )
        rows.append((observation, action, reference, command, detour is not None, *env.grounding()))
        observation, _, terminated, truncated, info = env.step(executed)
        done = terminated or truncated
    observations, actions, references, commands, perturbed, *focus = zip(*rows, strict=True)
    age, _ = env.perturbation.delays(env.control_hz)
    uv, xyz = ([row[max(i - age, 0)] for i in range(len(rows))] for row in focus)  # where it was when seen
    return Episode(
        images={name: np.stack([o["pixels"][name] for o in observations]) for name in env.cameras},
        state=np.stack([o["agent_pos"] for o in observations]),
        action=np.stack(actions),
        reference=np.stack(references),
        command=np.stack(commands).astype(np.float32),
        perturbed=np.array(perturbed),
        target_uv=np.stack(uv),
        target_xyz=np.stack(xyz),
        initial_state=initial_state,
        instruction=env.task_description,
        task=env.task_name,
        seed=seed,
        success=info["is_success"],
        control_hz=env.control_hz,
        metadata={
            "noise": asdict(noise) if noise else None,
            "quality": env.quality,
            "versions": {
                "mujoco": mujoco.__version__,
                "gymnasium": gymnasium.__version__,
                "numpy": np.__version__,
            },
        },
    )
