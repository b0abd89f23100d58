"""Language-conditioned manipulation tasks in MuJoCo, as gymnasium environments.

`make(task)` builds one; `collect_episode(env, seed)` lets the task's scripted expert play an episode.

Importing this registers `vlasandbox/<Task>-v0` with gymnasium; mujoco itself is imported by the first `make`.
"""

from typing import TYPE_CHECKING, Any

from ..common.public import lazy_exports
from ..common.registry import camel_case
from . import tasks
from .config import EnvConfig

if TYPE_CHECKING:
    from .control import ACTION_SPACES as ACTION_SPACES
    from .control import ActionSpace as ActionSpace
    from .demonstrations import collect_episode as collect_episode
    from .episode import Episode as Episode
    from .expert import Expert as Expert
    from .expert import NoiseConfig as NoiseConfig
    from .manipulation_env import ManipulationEnv as ManipulationEnv
    from .perturbation import Perturbation as Perturbation
    from .perturbation_set import PerturbationSet as PerturbationSet
    from .robot import Robot as Robot
    from .seeds import DEMONSTRATIONS as DEMONSTRATIONS
    from .seeds import TEST as TEST
    from .seeds import VALIDATION as VALIDATION
    from .task import Task as Task

__getattr__, __dir__, _lazy = lazy_exports(__name__, __file__)
__all__ = ["EnvConfig", "env_id", "make", "register_envs", "task_names", *_lazy]  # pyright: ignore[reportUnsupportedDunderAll]

METADATA: dict[str, Any] = {"render_modes": ["rgb_array", "human"], "render_fps": 10}
"""Metadata for gymnasium of an environment at the default control rate."""


def make(task: str = "pick", *, render_mode: str | None = None, **settings: Any) -> "ManipulationEnv":
    """The environment of `task`: `EnvConfig(task, **settings).build(render_mode)`.

    Args:
        task: one of `task_names()`, or the dotted name of a module with a task.
        render_mode: "rgb_array", "human" or None, as in `EnvConfig.build`.
        settings: fields of `EnvConfig`, such as robot, action_space="ee_delta", control_hz=10.0 [Hz],
            image_size=96 [pixels], cameras, quality="fast", wording="plain", perturb="camera=3".

    Raises:
        ValueError: an unknown or impossible setting; the message lists the valid ones.
        ImportError: no OpenGL library; the message says what to install.
    """
    return EnvConfig(task, **settings).build(render_mode)


make.metadata = METADATA  # type: ignore[attr-defined]  # where gymnasium.make looks for valid render modes


def task_names() -> list[str]:
    """Tasks that `make` knows."""
    return tasks.names()


def env_id(task: str) -> str:
    """The gymnasium id of a task: "pick" -> "vlasandbox/Pick-v0"."""
    return f"vlasandbox/{camel_case(task)}-v0"


def register_envs() -> None:
    """Makes every task known to `gymnasium.make`; calling it again changes nothing."""
    from gymnasium.envs.registration import register, registry

    for task in task_names():
        if env_id(task) not in registry:
            register(env_id(task), entry_point=f"{__name__}:make", kwargs={"task": task})


register_envs()
