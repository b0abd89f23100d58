"""Writes frames as small H.264 videos that every browser plays, or as an animated picture for a README."""

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
ANIMATIONS = (".webp", ".gif")


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
