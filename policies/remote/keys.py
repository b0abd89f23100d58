"""Keys under which messages carry the parts of an observation and of an answer."""

import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...common.errors import InputError
from ..config_io import from_dict

SEED, STEP = "episode/seed", "episode/step"
"""Extensions of the protocol: the seed of the episode and the control step in it. With them a server draws
the noise of an episode from its seed; without them, from one generator for the whole connection."""


@dataclass(frozen=True)
class MessageKeys:
    """Names of the parts of a message. The default ones are those of `vla serve`."""

    images: dict[str, str] = field(default_factory=dict)
    """Key of each camera's image, uint8 [h, w, 3]; observation/images/CAMERA for those that are not named."""
    state: str = "observation/state"
    """Key of the proprioceptive state, float [s]."""
    instruction: str = "prompt"
    """Key of the instruction, a string."""
    actions: str = "actions"
    """Key of the chunk in the answer, float [k, a]."""

    def image(self, camera: str) -> str:
        """Key of the image of `camera`."""
        return self.images.get(camera, f"observation/images/{camera}")

    @staticmethod
    def load(path: Path) -> "MessageKeys":
        """Reads the keys from a TOML file:

            state = "observation/state"
            instruction = "prompt"
            [images]
            front = "observation/image"
            wrist = "observation/wrist_image"

        Raises:
            ValueError: the file cannot be read, or has a field that is none.
        """
        try:
            settings: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read the keys in {path}: {error}") from error
        images = settings.pop("images", {})
        if not isinstance(images, dict) or not all(isinstance(key, str) for key in images.values()):
            raise InputError(f"{path}: images must name a key for each camera, got {images!r}")
        return replace(from_dict(MessageKeys, settings, str(path)), images=images)
