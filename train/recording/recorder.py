"""Recorder: the service of a simulation process that records one demonstration per request."""

from pathlib import Path
from typing import Any

from ...envs.config import EnvConfig
from ...envs.demonstrations import collect_episode
from ...envs.expert import NoiseConfig
from ..data.staging import stage, stage_failure


class Recorder:
    """Answers {"seed": 5} with {"success": True} when the episode is staged, though not flushed."""

    ready = None

    def __init__(self, settings: dict[str, Any]) -> None:
        self._root = Path(settings["root"])
        self._noise = settings["noise"] and NoiseConfig(**settings["noise"])
        self._env = EnvConfig.of_json(settings["env"]).build()

    def __call__(self, request: dict[str, int]) -> dict[str, bool]:
        episode = collect_episode(self._env, request["seed"], self._noise)
        if episode.success:
            # The process that gave the seed flushes it, while the next one is simulated here.
            stage(self._root, episode, self._env.spec_dict(), durable=False)
        else:
            stage_failure(self._root, episode.seed)
        return {"success": bool(episode.success)}

    def close(self) -> None:
        """Closes the environment."""
        self._env.close()
