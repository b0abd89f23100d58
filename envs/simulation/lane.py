"""Lane: one environment of a simulation process, in which one episode after the other is played."""

from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Shaped

from ..config import EnvConfig
from .faults import describe, is_of_the_machine, traceback_of

if TYPE_CHECKING:
    from ..manipulation_env import ManipulationEnv, Step
    from ..rollout import RolloutPlan

Update = dict[str, Any]
"""{"observation": what the lane sees while it waits for actions}, or {"episode": the result, "record": the
`Episode`, if the lane records and no code raised} when the episode is over."""


@dataclass(frozen=True)
class LaneSettings:
    """Settings that all lanes of a process share."""

    env: EnvConfig
    options: dict[str, str] | None = None
    """Options of every `ManipulationEnv.reset`."""
    expert: bool = False
    """Whether the scripted expert acts."""
    history: int = 1
    """Control steps of which an observation shows the images and the state, up to the present one."""
    wait: int = 0
    """Control steps for which the robot stands still before it does what it is sent the next time."""
    rollout: "RolloutPlan | None" = None
    """Plan by which episodes are recorded; seeds are then numbers of trials (see `envs.seeds.trial`)."""

    def to_json(self) -> dict[str, Any]:
        """The settings that the service takes."""
        return asdict(self)

    @classmethod
    def of_json(cls, values: dict[str, Any]) -> "LaneSettings":
        """The settings that `to_json` gave, after they went through JSON."""
        from ..rollout import RolloutPlan  # imports the simulator

        plan = values["rollout"] and RolloutPlan(**values["rollout"])
        return cls(**{**values, "env": EnvConfig.of_json(values["env"]), "rollout": plan})


class Lane:
    """An environment and the episode that is played in it."""

    def __init__(self, settings: LaneSettings, make: "Callable[[], ManipulationEnv] | None" = None) -> None:
        """
        Args:
            settings: of the environment and its episodes.
            make: makes the environment; by default what `settings.env` builds.
        """
        self._settings, self._make = settings, make or settings.env.build
        self._seen: deque[dict[str, Any]] = deque(maxlen=settings.history)
        self.env = self._make()
        self._expert = self.env.definition.expert() if settings.expert else None

    def begin(self, seed: int) -> Update:
        """Starts the episode of `seed`."""
        self._seed, self._stage, self._info = seed, 0, {}
        self._actions, self._path = [], []
        try:
            observation, info = self._reset()
            self._seen.extend([observation] * self._settings.history)
            self._note(info)
            return self._observation()
        except Exception as error:
            return self._crash(error)

    def act(self, block: "Shaped[np.ndarray, 'm a'] | dict[str, str] | None") -> Update:
        """Waits as long as it must, and executes `block`; without one, an action of the expert."""
        if isinstance(block, dict):
            return self._over("error", **block)
        try:
            waits = block is not None and self._settings.wait and self._actions
            over = self._execute(self._still()) if waits else None
            return over or self._execute(block) or self._observation()
        except Exception as error:
            return self._crash(error)

    def close(self) -> None:
        """Frees the environment's share of the OpenGL context."""
        self.env.close()

    def _reset(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.env.reset(seed=self._seed, options=self._settings.options)

    def _execute(self, block: Shaped[np.ndarray, "m a"] | None) -> Update | None:
        """Gives the episode if it ends."""
        if block is None:
            assert self._expert is not None
            block = self._expert.act(self.env)[None]
        # An image costs more than a step: only those are made that the history will hold.
        first = max(len(block) - self._settings.history + 1, 1)
        for number, piece in enumerate((block[:first], *block[first:, None])):
            step = self.env.step_block(piece, continues=number > 0)
            self._actions.extend(piece[: step[-1]["steps"]])
            if over := self._take(step):
                return over
        return None

    def _take(self, step: "Step") -> Update | None:
        """Takes in what `env.step` gave; gives the episode if it ends with it."""
        observation, _, terminated, truncated, info = step
        self._path.extend(info["path"])
        self._note(info)
        self._seen.append(observation)
        if not terminated and not truncated:
            return None
        return self._over("success" if info["is_success"] else "timeout" if truncated else "failure")

    def _still(self) -> Shaped[np.ndarray, "m a"]:
        """Actions that leave the newest command as it is."""
        command = self.env.reference()
        return self.env.actions.encode(command, command)[None].repeat(self._settings.wait, axis=0)

    def _note(self, info: dict[str, Any]) -> None:
        self._info = info
        self._stage = max(self._stage, self.env.definition.stages.index(info["stage"]))

    def _observation(self) -> Update:
        frames = [seen["pixels"][name] for seen in self._seen for name in self.env.cameras]
        observation = {
            "seed": self._seed,
            "step": len(self._actions),
            "images": np.stack(frames) if frames else np.empty((0, 0, 0, 3), np.uint8),
            "state": np.concatenate([seen["agent_pos"] for seen in self._seen]),
            "instruction": self._seen[-1]["instruction"],
        }
        return {"observation": observation}

    def _over(self, outcome: str, error: str | None = None, traceback: str | None = None) -> Update:
        episode = {
            "seed": self._seed,
            "outcome": outcome,
            "steps": len(self._actions),
            "progress": float(self._info.get("progress", 0.0)),
            "stage": self.env.definition.stages[self._stage],
            "instruction": self._info.get("instruction", ""),
            "error": error,
            "traceback": traceback,
            "actions": np.array(self._actions, np.float32).reshape(-1, len(self.env.actions.dims)),
            "path": np.array(self._path, np.float32).reshape(-1, 3 * len(self.env.world.robots)),
            "mode": self._info.get("mode"),
        }
        return {"episode": episode}

    def _crash(self, error: Exception) -> Update:
        """The result of an episode whose code raised; the next one gets a fresh environment.

        Raises:
            Exception: `error`, if it is the machine's.
        """
        if is_of_the_machine(error):
            raise error
        over = self._over("error", describe(error), traceback_of(error))
        self.env.close()
        self.env = self._make()
        return over
