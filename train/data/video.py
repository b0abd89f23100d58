"""Camera streams as mp4: encode an episode, join episodes without encoding again, decode any run of frames.

Why H.264 with full chroma (yuv444p), preset ultrafast, crf 18, measured on 96 x 96 renderings of `pick`:
with yuv420p the color of a small object is smeared over its neighbors whatever the bit rate (34 dB at
best, single pixels off by 150 of 255), and the color is what the instruction names. Full chroma gives 44
dB for 15 % more bytes (1.5 kB a frame) and the same time (0.2 ms). A key frame every second frame
(LeRobot's choice) keeps random access cheap; without B-frames the first time stamp is 0 and episodes can be
joined packet by packet.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
from jaxtyping import UInt8

from ...common.errors import InputError

CODEC = "libx264"
PIXEL_FORMAT = "yuv444p"
CRF = 18
GOP = 2
PRESET = "ultrafast"

VIDEO_INFO = {
    "video.codec": "h264",
    "video.pix_fmt": PIXEL_FORMAT,
    "video.channels": 3,
    "has_audio": False,
    "video.g": GOP,
    "video.crf": CRF,
    "video.preset": PRESET,
    "video.fast_decode": 0,
    "video.video_backend": "pyav",
    "video.extra_options": {},
    "is_depth_map": False,
}
"""The encoder's part of a video feature's `info` in info.json (height, width and fps are added there)."""

# Reading a damaged file shows as one of these, depending on where the damage sits.
DECODE_ERRORS = (av.error.FFmpegError, OSError, ValueError, EOFError)


def encode(frames: UInt8[np.ndarray, "t h w 3"], fps: int) -> bytes:
    """An mp4 of `frames` at a constant `fps` [Hz]; frame i is shown at i / fps [s]."""
    buffer = io.BytesIO()
    options = {"crf": str(CRF), "g": str(GOP), "preset": PRESET, "bf": "0"}
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream(CODEC, rate=fps, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = PIXEL_FORMAT
        # One thread: recording already keeps every core busy with a worker of its own.
        stream.codec_context.thread_count = 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


class Mp4Appender:
    """Joins the episodes of one camera into one mp4 by copying packets; close() makes the file valid."""

    def __init__(self, path: Path, fps: int) -> None:
        self.frames = 0
        """Frames appended so far."""
        self.bytes = 0
        """Size of the packets appended so far."""
        self._fps = fps
        self._extradata: bytes | None = None
        self._stream: av.VideoStream | None = None
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "faststart"})

    def append(self, mp4: bytes) -> int:
        """Adds all frames of `mp4` (as `encode` made it) and returns how many there are."""
        count = 0
        with av.open(io.BytesIO(mp4), "r") as source:
            template = source.streams.video[0]
            extradata = template.codec_context.extradata
            if self._stream is None:
                self._stream = self._container.add_stream_from_template(template)
                self._extradata = extradata
            if extradata != self._extradata:
                raise InputError("episodes of one video file must come from the same encoder and image size")
            tick = 1 / (_time_base(template) * self._fps)
            for packet in source.demux(template):
                if packet.size == 0:
                    continue
                packet.pts = packet.dts = int((self.frames + count) * tick)
                packet.stream = self._stream
                self._container.mux(packet)
                self.bytes += packet.size
                count += 1
        self.frames += count
        return count

    def close(self) -> None:
        """Writes the index; the file can be opened from here on."""
        self._container.close()


def decode(path: Path, first: int, count: int, fps: int) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """Yields `count` RGB frames of the mp4 at `path` from frame `first` on; frame i is that at i / fps [s].

    Raises:
        ValueError: the file ends early or a time stamp is missing (FFmpeg's own errors pass through).
    """
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        base = _time_base(stream)
        container.seek(int(Fraction(first, fps) / base), stream=stream, backward=True)
        expected = first
        for frame in container.decode(stream):
            index = -1 if frame.pts is None else round(float(frame.pts * base) * fps)
            if index < expected:
                continue
            if index != expected:
                break
            yield frame.to_ndarray(format="rgb24")
            expected += 1
            if expected == first + count:
                return
    raise InputError(f"frame {expected} cannot be read")


def _time_base(stream: av.VideoStream) -> Fraction:
    if stream.time_base is None:
        raise InputError("the video has no clock")
    return stream.time_base


@dataclass(frozen=True)
class Mp4:
    """Facts in the index of a video."""

    frames: int
    rate: float | None
    """Frames a second; None where there are too few to tell."""


def check_mp4(path: Path, height: int, width: int) -> Mp4:
    """The number and rate of the frames of an mp4 of that size from its index alone, without decoding.

    Raises:
        ValueError: the file is shorter than its boxes say, has no index, no video, or one of another size
        (FFmpeg's own errors too).
    """
    size, position = path.stat().st_size, 0
    with path.open("rb") as file:
        while position < size:
            file.seek(position)
            header = file.read(16)
            length = int.from_bytes(header[:4], "big")
            if length == 1:
                length = int.from_bytes(header[8:16], "big")
            if length < 8 or position + length > size:
                raise InputError("the file is truncated")
            position += length
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise InputError("there is no video stream")
        stream = container.streams.video[0]
        codec = stream.codec_context
        if codec is None:
            raise InputError("its codec is not known")
        if (codec.height, codec.width) != (height, width):
            raise InputError(f"its pictures are {codec.height} x {codec.width}, not {height} x {width}")
        # Fragments have no common index: their packets are counted.
        frames = stream.frames or sum(packet.size > 0 for packet in container.demux(stream))
        rate = stream.average_rate
        return Mp4(frames, float(rate) if frames > 1 and rate else None)
