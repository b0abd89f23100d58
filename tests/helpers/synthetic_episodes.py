"""Small made-up episodes for tests of the dataset: smooth pictures, random numbers, no simulator."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from vlasandbox.envs.control import ActionSpace, layout
from vlasandbox.envs.episode import Episode
from vlasandbox.train.data.writer import DatasetWriter

COMMANDS = ["x", "y", "z", *(f"rot6d_{i}" for i in range(6)), "gripper", "joint_1", "joint_2"]
SPEC: dict[str, Any] = {
    "task": "pick",
    "robot": "franka",
    "action_space": {
        "name": "ee_delta", "dims": ["dx", "dy", "dz", "dyaw", "gripper"], "control_hz": 10.0,
        "low": [-0.05, -0.05, -0.05, -0.3, -1.0], "high": [0.05, 0.05, 0.05, 0.3, 1.0],
    },
    "command_names": COMMANDS,
    "state_names": ["a", "b", "c"],
    "cameras": ["front", "wrist"],
    "control_hz": 10.0,
}  # fmt: skip
SETTINGS: dict[str, Any] = {"task": "pick", "noise": {"rate": 1.0}}


def synthetic_episode(
    seed: int, length: int = 7, size: int = 32, perturbed: list[int] | None = None, success: bool = True
) -> Episode:
    """An episode determined by its arguments; pictures are shaded planes with a moving square."""
    rng = np.random.default_rng(seed)
    images = {}
    for camera in SPEC["cameras"]:
        ramp = np.linspace(40, 160, size)
        frames = np.repeat((ramp[:, None] / 2 + ramp[None, :] / 2)[None, :, :, None], length, 0).repeat(3, 3)
        colour = rng.integers(0, 256, 3)
        for t in range(length):
            x, y = (seed + t) % (size - 8), (3 * seed + 2 * t) % (size - 8)
            frames[t, y : y + 8, x : x + 8] = colour
        images[camera] = frames.round().astype(np.uint8)
    flags = np.zeros(length, bool)
    flags[perturbed or []] = True
    reference, command = rng.normal(size=(2, length, len(COMMANDS)))
    action = ActionSpace("ee_delta", layout(COMMANDS), 10.0).encode(command, reference)
    return Episode(
        images=images,
        state=rng.normal(size=(length, 3)).astype(np.float32),
        action=action.astype(np.float32),
        reference=reference.astype(np.float32),
        command=command.astype(np.float32),
        perturbed=flags,
        target_uv=rng.uniform(size=(length, 2, 2)).astype(np.float32),
        target_xyz=rng.normal(size=(length, 3)).astype(np.float32),
        initial_state=rng.normal(size=6),
        instruction=f"pick up the {('red', 'green', 'blue')[seed % 3]} cube",
        task="pick",
        seed=seed,
        success=success,
        control_hz=10.0,
    )


def write_dataset(root: Path, seeds: tuple[int, ...] = (0, 1, 2), length: int = 5) -> Path:
    """A dataset of synthetic episodes; the one of seed s is `length` + s long and perturbed at step 1."""
    writer = DatasetWriter(root, SETTINGS)
    for seed in seeds:
        writer.add_episode(synthetic_episode(seed, length + seed, perturbed=[1]), SPEC)
    writer.commit()
    return root


def drop_checksums(root: Path) -> None:
    """Makes the dataset at `root` one of before there were checksums, whose files one may edit."""
    path = root / "meta/vlasandbox.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({name: x for name, x in content.items() if name not in ("files", "sha256")}))
