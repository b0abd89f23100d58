"""Every frame of a dataset decoded once, as one memory-mapped array that training slices.

Decoding a frame of mp4 costs more than everything else a training step does with it, and each epoch would
pay again. The file is keyed to the dataset's fingerprint, the image size and CACHE_VERSION, so a changed
dataset never meets an old cache. It lies outside the dataset, which may be read-only, and which the Hub takes
only without a folder called .cache.
"""

import hashlib
import itertools
import os
import shutil
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tokenize import TokenError

import numpy as np
from jaxtyping import Int, UInt8
from numpy.lib.format import open_memmap
from tqdm import tqdm

from ...common.files import remove_partials, whole
from ...vision.images import resize_uint8
from .dataset import Dataset
from .files import DatasetError, exclusive, read_json, write_sealed
from .merge import single
from .parquet import checked_place
from .pictures import Run

CACHE_VERSION = 1
"""Version of the pixels, to be raised when a dataset gives other ones, e.g. by another `resize_uint8`."""
UNREADABLE = (ValueError, TypeError, OSError, EOFError, SyntaxError, TokenError)
"""Exceptions of numpy for a damaged npy."""

_PIECE = 2**24
"""Bytes of which the checksum is taken at once."""
_BATCH = 32
"""Frames resized at once."""


class JoinedFrames:
    """The frames of several caches, one after the other: data that grow need not be decoded again."""

    def __init__(self, parts: Sequence[np.ndarray]) -> None:
        """
        Args:
            parts: frames uint8 [n, v, h, w, 3] each.
        """
        self._parts = parts
        self._ends = np.cumsum([len(part) for part in parts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, rows: Int[np.ndarray, "*b"]) -> UInt8[np.ndarray, "*b v h w 3"]:
        """A copy of the frames `rows`."""
        found = np.empty((*rows.shape, *self._parts[0].shape[1:]), np.uint8)
        owner = np.searchsorted(self._ends, rows, side="right")
        for number, part in enumerate(self._parts):
            mine = owner == number
            found[mine] = part[rows[mine] - (self._ends[number] - len(part))]
        return found


def frame_cache(dataset: Dataset, image_size: int, cache_dir: Path | None = None) -> np.memmap:
    """The frames of `dataset` as uint8 [n, v, image_size, image_size, 3], read-only; built on the first call.

    Args:
        image_size: height and width that the policy sees [px].
        cache_dir: where to keep the file; `default_folder()` if None.

    Raises:
        DatasetError: a video cannot be decoded, or there is no room for the cache.
    """
    key = f"frames-v{CACHE_VERSION}-{image_size}px-{dataset.fingerprint[:16]}"
    if dataset.reordered:
        key += "-" + hashlib.sha256("\n".join(dataset.cameras).encode()).hexdigest()[:8]
    shape = (len(dataset), len(dataset.cameras), image_size, image_size, 3)
    before = _former_folder(dataset, cache_dir) / f"{key}.npy"
    if _intact(before, before.with_suffix(".json"), shape):
        return open_memmap(before, "r")
    folder = (cache_dir or default_folder()) / key
    path, seal = folder / "frames.npy", folder / "frames.json"
    try:
        # Whoever comes second waits here and finds the finished file.
        with exclusive(folder, wait=True):
            if not _intact(path, seal, shape):
                remove_partials(folder)
                if cache_dir is None:
                    _remove_stale(folder, dataset, before.parent.glob(f"frames-*-{image_size}px-*"))
                with whole(path) as partial:
                    _build(dataset, partial, shape)
                origin = {"roots": _roots(dataset), "fingerprint": dataset.fingerprint}
                write_sealed(seal, {"crc32": _checksum(open_memmap(path, "r")), **origin})
    except OSError as error:
        raise DatasetError(
            f"{folder}: the frame cache cannot be written ({error.strerror}); --data.cache FOLDER puts it "
            "elsewhere"
        ) from None
    return open_memmap(path, "r")


def default_folder() -> Path:
    """Folder of all frame caches: $VLASANDBOX_FRAMES, or else ~/.cache/vlasandbox/frames."""
    if said := os.environ.get("VLASANDBOX_FRAMES"):
        return Path(said)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "vlasandbox" / "frames"


def _former_folder(dataset: Dataset, cache_dir: Path | None) -> Path:
    """Folder inside a dataset where earlier versions kept caches, which are still good."""
    return cache_dir or checked_place(dataset.root, dataset.root / ".cache")


def _remove_stale(folder: Path, dataset: Dataset, former: Iterable[Path]) -> None:
    """Removes caches beside `folder` of what this dataset was before it changed, or whose dataset is gone;
    and the files `former`, which earlier versions left."""
    with suppress(OSError):  # a dataset may be read-only
        for path in former:
            path.unlink()
    for seal in folder.parent.glob("frames-*/frames.json"):
        try:
            found = read_json(seal)
            roots, fingerprint = found["roots"], found["fingerprint"]
            gone = not all(Path(root).exists() for root in roots)
        except (ValueError, KeyError, TypeError, OSError):
            continue
        changed = roots == _roots(dataset) and fingerprint != dataset.fingerprint
        if changed or gone:
            shutil.rmtree(seal.parent, ignore_errors=True)


def _roots(dataset: Dataset) -> list[str]:
    return [str(part.root.resolve()) for part in single(dataset)]


def _intact(path: Path, seal: Path, shape: tuple[int, ...]) -> bool:
    """Whether the cache is there, whole, and still what was written."""
    if not path.exists() or not seal.exists() or path.is_symlink() or seal.is_symlink():
        return False
    try:
        frames = open_memmap(path, "r")
        return frames.shape == shape and _checksum(frames) == read_json(seal)["crc32"]
    except (*UNREADABLE, KeyError):
        return False


def check_cache(path: Path) -> None:
    """Compares a cache with the checksum that was taken when it was made.

    Raises:
        DatasetError: it is not what was made, or was not finished.
    """
    again = "delete it, and the next training makes it again"
    if path.is_symlink() or path.with_suffix(".json").is_symlink():
        raise DatasetError(f"{path} is a link: {again}")
    try:
        expected = read_json(path.with_suffix(".json"))["crc32"]
        whole = _checksum(open_memmap(path, "r")) == expected
    except (*UNREADABLE, KeyError) as error:
        raise DatasetError(f"{path} cannot be verified ({error}): {again}") from None
    if not whole:
        raise DatasetError(f"{path} is damaged (its checksum is another): {again}")


def _checksum(frames: np.memmap) -> int:
    """CRC-32 of all frames: some 3 GB/s, less than it takes to read them from a disk."""
    pixels, total = frames.reshape(-1), 0
    for start in range(0, pixels.size, _PIECE):
        total = zlib.crc32(memoryview(pixels[start : start + _PIECE]), total)  # pyright: ignore[reportArgumentType]
    return total


def _build(dataset: Dataset, path: Path, shape: tuple[int, ...]) -> None:
    # The file gets its full size at once, so that a full disk shows here and not as a crash of the mapping.
    frames = open_memmap(path, "w+", np.uint8, shape)
    with path.open("r+b") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    pool = ThreadPoolExecutor(os.cpu_count())
    bar = tqdm(total=len(dataset.runs), desc="frame cache", unit="part", leave=False)
    try:
        for _ in pool.map(lambda run: _fill(dataset, run, frames), dataset.runs):
            bar.update()
    finally:
        pool.shutdown(cancel_futures=True)
        bar.close()
    frames.flush()


def _fill(dataset: Dataset, run: Run, frames: np.memmap) -> None:
    """Decodes a stretch of one camera into its place."""
    source = run.pictures(dataset.fps)
    position = run.start
    for batch in iter(lambda: list(itertools.islice(source, _BATCH)), []):
        frames[position : position + len(batch), run.camera] = resize_uint8(np.stack(batch), frames.shape[2])
        position += len(batch)
