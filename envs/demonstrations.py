"""Demonstrations: runs a task's expert through one episode, disturbed on request, and records it."""

from dataclasses import asdict

import numpy as np

from .episode import Episode
from .expert import Detours, NoiseConfig
from .manipulation_env import ManipulationEnv
from .recorder import EpisodeRecorder


def collect_episode(env: ManipulationEnv, seed: int, noise: NoiseConfig | None = None) -> Episode:
    """Records the episode of `seed`; with `noise`, it is a function of both."""
    expert = env.definition.expert()
    # A different stream from the one that drew the scene.
    detours = Detours(noise, env.control_hz, np.random.default_rng([seed, 1])) if noise else None
    observation, info = env.reset(seed=seed)
    recorder = EpisodeRecorder(env)
    done = False
    while not done:
        wanted = expert.wanted(env)
        command = env.command_towards(wanted)
        detour = detours.divert(env, command, wanted) if detours else None
        recorder.see(observation)
        recorder.label(command, perturbed=detour is not None)
        executed = command if detour is None else detour
        action = env.actions.encode(executed, env.reference().astype(np.float64)).astype(np.float32)
        observation, _, terminated, truncated, info = env.step(action)
        done = terminated or truncated
    metadata = {"noise": asdict(noise) if noise else None}
    return recorder.episode(seed, info["is_success"], metadata=metadata)
