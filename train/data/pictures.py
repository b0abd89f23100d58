"""Places of a dataset's pictures: frames of an mp4, or images in the table (dtype "image")."""

import io
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from .files import AGAIN, DatasetError
from .parquet import checked_place, values
from .video import DECODE_ERRORS, decode

AT_ONCE = 16
"""Stored images read at once."""


@dataclass(frozen=True)
class Run(ABC):
    """A stretch of frames whose pictures of one camera lie together."""

    camera: int
    """Index of the view."""
    path: Path
    """Path of the file."""
    start: int
    """First frame in the dataset."""
    length: int
    """Frames."""

    @abstractmethod
    def pictures(self, fps: int) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        """RGB, one frame after the other.

        Raises:
            DatasetError: one of them cannot be decoded.
        """


@dataclass(frozen=True)
class VideoRun(Run):
    """The stretch of one mp4 that shows one episode."""

    first: int
    """Frame of the file that shows the episode's first frame."""

    def pictures(self, fps: int) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        """RGB, one frame after the other; see `Run`."""
        try:
            yield from decode(self.path, self.first, self.length, fps)
        except DECODE_ERRORS as error:
            raise DatasetError(f"{self.path} is damaged ({error}): {AGAIN}") from None


@dataclass(frozen=True)
class ImageRun(Run):
    """One row group of a data file, whose column `key` holds encoded images."""

    key: str
    """Name of the column."""
    group: int
    """Number of the row group in the file."""
    size: tuple[int, int]
    """(height, width) that info.json says [px]."""
    root: Path
    """Folder of the dataset; images may be files in it."""

    def pictures(self, fps: int) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        """RGB, one frame after the other; see `Run`."""
        for row, stored in enumerate(values(self.path, self.key, self.group, AT_ONCE)):
            where = f"{self.path}: {self.key!r} of frame {self.start + row}"
            yield _decoded(self.root, where, stored, self.size)


def _decoded(root: Path, where: str, stored: Any, size: tuple[int, int]) -> UInt8[np.ndarray, "h w 3"]:
    from PIL import Image

    content, name = stored, None
    if isinstance(stored, dict):  # as Hugging Face's datasets store an image
        content, name = stored.get("bytes"), stored.get("path")
    if content is None and isinstance(name, str):
        place = checked_place(root, root / name) if not Path(name).is_absolute() else None
        if place is None or not place.is_file():
            raise DatasetError(
                f"{where} is only the name of a file, {name!r}, which is not in the dataset; "
                "LeRobot's `save_episode` puts images into the table"
            )
        content = place.read_bytes()
    if not isinstance(content, bytes):
        raise DatasetError(f"{where} is no encoded image, but {type(content).__name__}")
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.mode.startswith(("I", "F")):
                raise DatasetError(f"{where} has pixels of mode {image.mode}, not colors: is it a depth map?")
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{where} cannot be decoded: {error}") from None
    if pixels.shape[:2] != size:
        raise DatasetError(
            f"{where} is {pixels.shape[0]} x {pixels.shape[1]}, but info.json says {size[0]} x {size[1]}"
        )
    return pixels
