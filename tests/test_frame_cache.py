"""The frame cache holds the dataset's pictures, and nothing stale or damaged is ever used."""

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from synthetic_episodes import SETTINGS, SPEC, synthetic_episode

from vlasandbox.common import files
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


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where they are by default."""
    monkeypatch.setenv("VLASANDBOX_FRAMES", str(tmp_path / "frames"))
    return tmp_path / "frames"


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


def test_it_is_built_once_and_cannot_be_written_to(
    root: Path, caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = builds(monkeypatch)
    first = frame_cache(Dataset.open(root), 32)
    again = frame_cache(Dataset.open(root), 32)
    assert len(made) == 1
    np.testing.assert_array_equal(first, again)
    assert not again.flags.writeable
    assert not list(caches.rglob("*.partial"))


def test_another_size_is_another_cache(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = builds(monkeypatch)
    frame_cache(Dataset.open(root), 32)
    assert frame_cache(Dataset.open(root), 24).shape[2:] == (24, 24, 3)
    frame_cache(Dataset.open(root), 32)
    assert len(made) == 2


def test_a_grown_dataset_gets_a_new_cache_in_place_of_the_old(
    root: Path, caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(root, root.with_name("other"))
    frame_cache(Dataset.open(root.with_name("other")), 24)
    frame_cache(Dataset.open(root), 32)
    add(root, {7: 3})
    made = builds(monkeypatch)
    assert len(frame_cache(Dataset.open(root), 32)) == 21
    assert len(made) == 1
    assert len(list(caches.rglob("*.npy"))) == 2
    shutil.rmtree(root.with_name("other"))
    add(root, {8: 3})
    frame_cache(Dataset.open(root), 32)
    assert len(list(caches.rglob("*.npy"))) == 1, "that of a dataset which is gone goes, too"


@pytest.mark.parametrize("damage", ["truncated", "overwritten", "unsealed", "empty"])
def test_a_damaged_cache_is_found_and_rebuilt(
    root: Path, caches: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    intact = np.array(frame_cache(Dataset.open(root), 32))
    (path,) = caches.rglob("*.npy")
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


def test_what_a_killed_build_left_is_cleared_away(
    root: Path, caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(dataset: Dataset, path: Path, shape: tuple[int, ...]) -> None:
        path.write_bytes(b"half")
        path.rename(path.with_name(f"frames.npy.{files._HOST}-999999999.partial"))
        raise KeyboardInterrupt

    dataset = Dataset.open(root)
    with monkeypatch.context() as patch:
        patch.setattr(cache_module, "_build", killed)
        with pytest.raises(KeyboardInterrupt):
            frame_cache(dataset, 32)
    assert list(caches.rglob("*.partial"))
    frame_cache(Dataset.open(root), 32)
    assert not list(caches.rglob("*.partial"))


def test_two_at_once_build_it_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = builds(monkeypatch)
    threads = [threading.Thread(target=lambda: frame_cache(Dataset.open(root), 32)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_the_dataset_is_left_alone_wherever_the_cache_is(root: Path, tmp_path: Path) -> None:
    before = sorted(root.rglob("*"))
    frame_cache(Dataset.open(root), 32)
    frame_cache(Dataset.open(root), 32, tmp_path / "elsewhere")
    assert sorted(root.rglob("*")) == before
    assert len(list((tmp_path / "elsewhere").rglob("*.npy"))) == 1


@pytest.mark.parametrize("explicit", [False, True])
def test_a_cache_that_an_earlier_version_made_is_used(
    root: Path, caches: Path, explicit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = Dataset.open(root)
    frames = np.array(frame_cache(dataset, 32))
    former = root.parent / "kept" if explicit else root / ".cache"
    former.mkdir()
    (folder,) = caches.iterdir()
    for suffix in (".npy", ".json"):
        shutil.copy(folder / f"frames{suffix}", former / f"{folder.name}{suffix}")
    shutil.rmtree(caches)
    made = builds(monkeypatch)
    np.testing.assert_array_equal(frame_cache(dataset, 32, former if explicit else None), frames)
    assert (made, caches.exists()) == ([], False)
    (former / f"{folder.name}.npy").write_bytes(b"damaged")
    np.testing.assert_array_equal(frame_cache(dataset, 32), frames)
    assert len(made) == 1


def test_the_same_data_elsewhere_shares_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = builds(monkeypatch)
    frame_cache(Dataset.open(root), 32)
    frame_cache(Dataset.open(shutil.copytree(root, root.with_name("copy"))), 32)
    assert len(made) == 1


def test_the_default_place_is_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VLASANDBOX_FRAMES")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_module.default_folder() == Path("/somewhere/vlasandbox/frames")


def test_a_place_that_cannot_be_written_is_said_with_the_way_out(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VLASANDBOX_FRAMES", str(tmp_path / "file"))
    with pytest.raises(DatasetError, match=r"frame cache cannot be written .*--data\.cache FOLDER"):
        frame_cache(Dataset.open(root), 32)


def test_a_video_damaged_inside_is_named(root: Path, caches: Path) -> None:
    path = root / "videos/observation.images.front/chunk-000/file-000.mp4"
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 200
    content[start : start + 2500] = bytes(2500)
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"front/chunk-000/file-000\.mp4 is damaged"):
        frame_cache(Dataset.open(root), 32)
    assert not list(caches.rglob("*.npy*"))
