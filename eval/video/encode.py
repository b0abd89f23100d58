"""Writes frames as small H.264 videos that every browser plays, or as an animated picture for a README."""

import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from ...common.files import whole

CRF = 27
"""Constant quality; larger is smaller. Rendered scenes hold up well at it."""
MP4 = ".mp4"
ANIMATIONS = (".webp", ".gif")
SUFFIXES = (MP4, *ANIMATIONS)
"""Of the formats that `write_video` writes."""


def check_video_path(path: Path) -> None:
    """Whether a video can be written to `path`, whose folder is made: to be known before it is recorded.

    Raises:
        ValueError: its suffix is none of SUFFIXES, or its place cannot be written to.
    """
    if path.suffix not in SUFFIXES:
        raise ValueError(f"unknown video format {path.suffix!r} of {path}; valid: {', '.join(SUFFIXES)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writable = os.access(path.parent, os.W_OK) and not path.is_dir()
    except OSError:
        writable = False
    if not writable:
        raise ValueError(f"no video can be written to {path}: choose another file in a folder of yours")


def write_video(frames: Sequence[UInt8[np.ndarray, "h w 3"]], path: Path, fps: float) -> None:
    """Writes `frames` of even width and height at `fps` [Hz], in the format that the suffix of `path` names.

    Raises:
        ValueError: its suffix is none of SUFFIXES, or its place cannot be written to.
    """
    check_video_path(path)
    write = write_mp4 if path.suffix == MP4 else write_animation
    write(frames, path, fps)


def write_mp4(frames: Sequence[UInt8[np.ndarray, "h w 3"]], path: Path, fps: float) -> None:
    """Writes RGB `frames` of even width and height at `fps` [Hz], whole or not at all.

    yuv420p because browsers show nothing else reliably; the index in front, so that playing starts at once.
    """
    with (
        whole(path) as partial,
        av.open(str(partial), "w", format="mp4", options={"movflags": "faststart"}) as out,
    ):
        stream = out.add_stream(
            "libx264", rate=Fraction(fps).limit_denominator(1000), options={"crf": str(CRF), "preset": "slow"}
        )
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode())


def write_animation(frames: Sequence[UInt8[np.ndarray, "h w 3"]], path: Path, fps: float) -> None:
    """Writes `frames` as a looping picture, .webp (small) or .gif (known to everything), at `fps` [Hz].

    Raises:
        ValueError: `path` ends in neither.
    """
    if path.suffix not in ANIMATIONS:
        raise ValueError(
            f"unknown animation format {path.suffix!r} of {path}; valid: {', '.join(ANIMATIONS)}"
        )
    first, *rest = [Image.fromarray(frame) for frame in frames]
    with whole(path) as partial:
        first.save(
            partial,
            format=path.suffix[1:],
            save_all=True,
            append_images=rest,
            duration=round(1000 / fps),
            loop=0,
            quality=60,
            method=4,
        )
