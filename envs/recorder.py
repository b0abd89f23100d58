"""EpisodeRecorder: what was seen and commanded in an episode, row by row, until it is an `Episode`."""

from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Float

from .control import ActionSpace
from .episode import Episode, RolloutRows
from .gl import mujoco
from .manipulation_env import ManipulationEnv


class EpisodeRecorder:
    """Takes the rows of one episode, which has just been reset.

    A row is begun with `see`, before its action is executed, and completed with `label`.
    """

    def __init__(self, env: ManipulationEnv, space: ActionSpace | None = None) -> None:
        """
        Args:
            env: what is recorded.
            space: to store the actions in; the environment's own by default.
        """
        self._env, self.space = env, space or env.actions
        self._initial_state = env.physics_state()
        self._seen: list[tuple[Any, ...]] = []
        self._labels: list[tuple[Any, ...]] = []

    def __len__(self) -> int:
        return len(self._labels)

    def follow(self, env: ManipulationEnv) -> None:
        """Continues in another environment, which plays on the same episode."""
        self._env = env

    def see(self, observation: dict[str, Any]) -> None:
        """Starts a row with `observation` and the present labels of the simulator."""
        age, _ = self._env.perturbation.delays(self._env.control_hz)
        del self._seen[len(self) :]  # a row whose action was refused
        self._seen.append((observation, self._env.reference(), age, *self._env.grounding()))

    def label(self, command: Float[np.ndarray, " r"], *, perturbed: bool) -> None:
        """Completes a row: its label asks for `command`, and something else was done if `perturbed`."""
        reference = self._seen[-1][1].astype(np.float64)
        action = self.space.encode(command, reference).astype(np.float32)
        self._labels.append((action, command, perturbed))

    def episode(
        self,
        seed: int,
        success: bool,
        rows: RolloutRows | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Episode:
        """The complete rows."""
        env = self._env
        observations, references, ages, *focus = zip(*self._seen[: len(self)], strict=True)
        actions, commands, perturbed = zip(*self._labels, strict=True)
        uv, xyz = (
            [row[max(i - age, 0)] for i, age in enumerate(ages)] for row in focus
        )  # where it was when seen
        return Episode(
            images={name: np.stack([o["pixels"][name] for o in observations]) for name in env.cameras},
            state=np.stack([o["agent_pos"] for o in observations]),
            action=np.stack(actions),
            reference=np.stack(references),
            command=np.stack(commands).astype(np.float32),
            perturbed=np.array(perturbed),
            target_uv=np.stack(uv),
            target_xyz=np.stack(xyz),
            initial_state=self._initial_state,
            instruction=env.task_description,
            task=env.task_name,
            seed=seed,
            success=success,
            control_hz=env.control_hz,
            rollout=rows,
            metadata={
                **(metadata or {}),
                "quality": env.quality,
                "versions": {
                    "mujoco": mujoco.__version__,
                    "gymnasium": gymnasium.__version__,
                    "numpy": np.__version__,
                },
            },
        )
