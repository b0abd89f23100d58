"""Encodes frames as small H.264 videos that every browser plays, or as animated pictures for a README."""

import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from ...common.errors import InputError
from ...common.files import whole

CRF = 27
"""Constant rate factor; larger values give smaller files. Rendered scenes look good at this one."""
MP4 = ".mp4"
ANIMATIONS = (".webp", ".gif")
SUFFIXES = (MP4, *ANIMATIONS)
"""Suffixes that `write_video` accepts."""


def check_video_path(path: Path) -> None:
    """Checks, before recording, that a video can be written to `path`; creates its folder.

    Raises:
        ValueError: the suffix is not in SUFFIXES, or `path` is not writable.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(f"unknown video format {path.suffix!r} of {path}; valid: {', '.join(SUFFIXES)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writable = os.access(path.parent, os.W_OK) and not path.is_dir()
    except OSError:
        writable = False
    if not writable:
        raise InputError(f"cannot write a video to {path}: choose a file in a writable folder")


def write_video(frames: Sequence[UInt8[np.ndarray, "h w 3"]], path: Path, fps: float) -> None:
    """Writes `frames` of even width and height at `fps` [Hz], in the format given by the suffix of `path`.

    Raises:
        ValueError: the suffix is not in SUFFIXES, or `path` is not writable.
    """
    check_video_path(path)
    write = write_mp4 if path.suffix == MP4 else write_animation
    write(frames, path, fps)


def write_mp4(frames: Sequence[UInt8[np.ndarray, "h w 3"]], path: Path, fps: float) -> None:
    """Writes RGB `frames` of even width and height at `fps` [Hz], whole or not at all.

    Uses yuv420p, the only format that all browsers play, and puts the index first, so that playback starts
    at once.
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
    """Writes `frames` as a looping picture, .webp (small) or .gif (universal), at `fps` [Hz].

    Raises:
        ValueError: `path` has another suffix.
    """
    if path.suffix not in ANIMATIONS:
        raise InputError(
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
