"""The frame cache holds the dataset's pictures, and nothing stale or damaged is ever used."""

import threading
from pathlib import Path

import numpy as np
import pytest
from synthetic_episodes import SETTINGS, SPEC, synthetic_episode

from vlasandbox.train.data import cache as cache_module
from vlasandbox.train.data.cache import frame_cache
from vlasandbox.train.data.dataset import Dataset
from vlasandbox.train.data.files import DatasetError
from vlasandbox.train.data.video import decode
from vlasandbox.train.data.writer import DatasetWriter
from vlasandbox.vision.images import resize_uint8


@pytest.fixture
def root(tmp_path: Path) -> Path:
    add(tmp_path / "pick", {0: 7, 1: 5, 2: 6})
    return tmp_path / "pick"


def add(root: Path, lengths: dict[int, int]) -> None:
    writer = DatasetWriter(root, SETTINGS)
    for seed, length in lengths.items():
        writer.add_episode(synthetic_episode(seed, length), SPEC)
    writer.commit()


def builds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one with every cache that is built."""
    made: list[str] = []
    build = cache_module._build

    def counted(dataset: Dataset, path: Path, shape: tuple[int, ...]) -> None:
        made.append(path.name)
        build(dataset, path, shape)

    monkeypatch.setattr(cache_module, "_build", counted)
    return made


def test_every_frame_of_every_camera_is_at_its_place(root: Path) -> None:
    add(root, {5: 4})
    dataset = Dataset.open(root)
    frames = frame_cache(dataset, 32)
    assert frames.shape == (22, 2, 32, 32, 3)
    assert frames.dtype == np.uint8
    start = 0
    for seed, length in {0: 7, 1: 5, 2: 6, 5: 4}.items():
        for view, camera in enumerate(dataset.cameras):
            source = synthetic_episode(seed, length).images[camera].astype(float)
            assert np.abs(frames[start : start + length, view] - source).mean() < 2
        start += length


def test_frames_are_resized_by_the_policys_own_function(root: Path) -> None:
    dataset = Dataset.open(root)
    frames = frame_cache(dataset, 16)
    run = dataset.video_runs[1]
    decoded = np.stack(list(decode(run.path, run.first, run.length, dataset.fps)))
    expected = resize_uint8(decoded, 16)
    np.testing.assert_array_equal(frames[run.start : run.start + run.length, run.camera], expected)


def test_it_is_built_once_and_cannot_be_written_to(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = builds(monkeypatch)
    first = frame_cache(Dataset.open(root), 32)
    again = frame_cache(Dataset.open(root), 32)
    assert len(made) == 1
    np.testing.assert_array_equal(first, again)
    assert not again.flags.writeable
    assert not list((root / ".cache").glob("*.partial"))


def test_another_size_is_another_cache(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = builds(monkeypatch)
    frame_cache(Dataset.open(root), 32)
    assert frame_cache(Dataset.open(root), 24).shape[2:] == (24, 24, 3)
    frame_cache(Dataset.open(root), 32)
    assert len(made) == 2


def test_a_grown_dataset_gets_a_new_cache_in_place_of_the_old(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame_cache(Dataset.open(root), 32)
    add(root, {7: 3})
    made = builds(monkeypatch)
    assert len(frame_cache(Dataset.open(root), 32)) == 21
    assert len(made) == 1
    assert len(list((root / ".cache").glob("*.npy"))) == 1


@pytest.mark.parametrize("damage", ["truncated", "overwritten", "unsealed", "empty"])
def test_a_damaged_cache_is_found_and_rebuilt(
    root: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    intact = np.array(frame_cache(Dataset.open(root), 32))
    (path,) = (root / ".cache").glob("*.npy")
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "overwritten":
        path.write_bytes(path.read_bytes()[:-40_000] + bytes(40_000))
    elif damage == "unsealed":
        path.with_suffix(".json").unlink()
    else:
        path.write_bytes(b"")
    made = builds(monkeypatch)
    np.testing.assert_array_equal(frame_cache(Dataset.open(root), 32), intact)
    assert len(made) == 1


def test_what_a_killed_build_left_is_cleared_away(root: Path) -> None:
    folder = root / ".cache"
    folder.mkdir()
    (folder / "frames-v1-32px-0.npy.123.partial").write_bytes(b"half")
    frame_cache(Dataset.open(root), 32)
    assert not list(folder.glob("*.partial"))


def test_two_at_once_build_it_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = builds(monkeypatch)
    threads = [threading.Thread(target=lambda: frame_cache(Dataset.open(root), 32)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_a_cache_kept_elsewhere_leaves_the_dataset_alone(root: Path, tmp_path: Path) -> None:
    before = sorted(root.rglob("*"))
    frame_cache(Dataset.open(root), 32, tmp_path / "caches")
    assert sorted(root.rglob("*")) == before
    assert len(list((tmp_path / "caches").glob("*.npy"))) == 1


def test_a_video_damaged_inside_is_named(root: Path) -> None:
    path = root / "videos/observation.images.front/chunk-000/file-000.mp4"
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 200
    content[start : start + 2500] = bytes(2500)
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"front/chunk-000/file-000\.mp4 is damaged"):
        frame_cache(Dataset.open(root), 32)
    assert not list((root / ".cache").glob("*.npy*"))
