"""Clips: the last pictures of a scene as an mp4 in memory; no file is written here."""

import io

import av
import numpy as np
from PIL import Image

from ...common.errors import InputError
from ..video.encode import CRF

FPS = 20
"""[Hz]"""


def encode_clip(frames: list[tuple[float, bytes]]) -> bytes:
    """An H.264 video of JPEG pictures of one size and even sides, each with its time [s]; a pause in the
    scene takes no time in the video.

    Raises:
        ValueError: there are no pictures.
    """
    if not frames:
        raise InputError("there are no pictures yet")
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=FPS, options={"crf": str(CRF), "preset": "veryfast"})
        stream.pix_fmt = "yuv420p"
        size = Image.open(io.BytesIO(frames[-1][1])).size
        stream.width, stream.height = size
        shown, start = -1, frames[0][0]
        for seconds, jpeg in frames:
            number = round((seconds - start) * FPS)
            if number <= shown:
                continue
            picture = Image.open(io.BytesIO(jpeg))
            frame = av.VideoFrame.from_ndarray(np.asarray(picture.resize(size)), format="rgb24")
            for again in range(shown + 1, number + 1):
                frame.pts = again
                out.mux(stream.encode(frame))
            shown = number
        out.mux(stream.encode())
    return file.getvalue()
