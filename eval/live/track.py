"""Track: one scene of a session, who moves the robot there, and what has been shown of it."""

import io
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from ...envs.config import EnvConfig
from ...policies.execution import Executor
from .messages import Drive, Frame, Opened, View
from .player import Asking, Player
from .scene_process import SceneProcess

EXPERT, PERSON = "expert", "person"
"""Movers of the robot beside the policies."""
CLIP_FRAMES = 600
"""Pictures kept for a clip: half a minute."""


@dataclass(eq=False)
class Track:
    """One scene. Its fields are the session's to change."""

    process: SceneProcess
    who: str
    player: Player | None = None
    """Policy that moves the robot; None if there is none."""
    env: EnvConfig = field(default_factory=EnvConfig)
    """Settings of its environment."""
    opened: Opened | None = None
    asking: Asking | None = None
    executor: Executor | None = None
    pending: deque[tuple[np.ndarray | None, bool]] = field(default_factory=deque)
    """Actions that follow, and whether each belongs to the chunk of the one before; None: the robot waits."""
    is_pulled: bool = False
    """Whether the pointer holds something."""
    is_touched: bool = False
    """Whether something happened since the reset that a command cannot repeat."""
    frames: deque[tuple[float, bytes]] = field(default_factory=lambda: deque(maxlen=CLIP_FRAMES))
    """Last pictures, with the simulated time of each [s]."""
    cameras: list[bytes] = field(default_factory=list)
    """Images that the policy sees, as JPEG."""
    steps: int = 0
    """Control steps since the reset, without those in which the robot was held still."""

    @property
    def view(self) -> View:
        """The scene after the last command."""
        assert self.opened is not None
        return self._view

    @view.setter
    def view(self, view: View) -> None:
        self._view = view
        self.cameras = [_jpeg(image) for image in view.observation.images[-len(self.camera_names) :]]

    @property
    def camera_names(self) -> list[str]:
        """Names of the cameras whose pictures a policy sees."""
        return self.opened.spec["cameras"] if self.opened else []

    def begin(self, opened: Opened, *, goes_on: bool = False) -> None:
        """Takes over a scene that was opened, or changed in the middle of an episode."""
        self.opened, self.view = opened, opened.view
        self.pending.clear()
        if not goes_on:
            self.is_touched, self.steps = False, 0
            self.frames.clear()

    def next_drive(self, seconds: float) -> Drive:
        """Next control step of the scene."""
        if self.view.ended:
            return Drive("hold", seconds=seconds)
        if self.who == EXPERT:
            return Drive("expert", seconds=seconds, source=EXPERT)
        if self.who == PERSON:
            return Drive("person", seconds=seconds, source=PERSON)
        action, continues = self.pending.popleft()
        if action is None:
            return Drive("hold", seconds=seconds, source=self.who)
        return Drive("action", action, continues, seconds, self.who)

    def keep(self, frame: Frame) -> None:
        """Notes a picture for a clip."""
        self.frames.append((frame.seconds, frame.jpeg))


def _jpeg(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=90)
    return file.getvalue()
