"""EnvConfig: settings of an environment, carried whole from the command line to the worker."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .manipulation_env import ManipulationEnv


@dataclass(frozen=True)
class EnvConfig:
    """A simulated environment: the task, the robot, and what is observed and commanded."""

    task: str = "pick"
    """Task (`vla list tasks`) or a module's dotted name, with parameters or without ("stack:count=3")."""
    robot: str | None = None
    """Robot (`vla list robots`); the task's default one if not given."""
    action_space: str = "ee_delta"
    """Action space (`vla list action-spaces`); each one converts exactly into the others."""
    control_hz: float = 10.0
    """Control rate [Hz]."""
    image_size: int = 96
    """Height and width of the pictures [px]."""
    cameras: tuple[str, ...] | None = None
    """Views to observe; all but the one for people if not given."""
    quality: str = "fast"
    """Rendering quality: fast or pretty."""
    wording: str = "plain"
    """Wording of instructions: plain, train (many phrasings) or held_out (phrasings that train does not
    use)."""
    combinations: str = "all"
    """Attribute combinations to ask for: all, train or held_out."""
    perturb: str = ""
    """Perturbations of the nominal episodes (`vla list perturbations`): camera=3 is one level,
    camera=0-3,light=0-3 is domain randomization."""

    def build(self, render_mode: str | None = None) -> "ManipulationEnv":
        """The environment.

        Args:
            render_mode: "rgb_array" for pictures by `render`; "human" for a window that shows every control
                step at the speed of the clock.

        Raises:
            ValueError: an unknown or impossible setting; the message lists the valid ones.
            ImportError: no OpenGL library; the message says what to install.
            NoRenderingError: render_mode is "human", and there is no display.
        """
        from .manipulation_env import ManipulationEnv  # imports the simulator

        return ManipulationEnv(self, render_mode)

    @classmethod
    def of_spec(cls, spec: Mapping[str, Any]) -> "EnvConfig":
        """The configuration of the environment that a stored `ManipulationEnv.spec_dict` describes.

        Settings that are newer than the file have their defaults.
        """
        known = {f.name: spec[f.name] for f in fields(cls) if f.name in spec}
        return cls.of_json(known | {"action_space": spec["action_space"]["name"]})

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> "EnvConfig":
        """The configuration whose fields went through JSON; those that are missing have their defaults."""
        cameras = values.get("cameras")
        return cls(**{**values, "cameras": None if cameras is None else tuple(cameras)})
