"""No name in a dataset leads out of its folder, neither to read nor to write."""

import json
import os
import shutil
from pathlib import Path

import pytest
from synthetic_episodes import SETTINGS, SPEC, drop_checksums, synthetic_episode, write_dataset

from vlasandbox.common.files import inside
from vlasandbox.train.data import schema
from vlasandbox.train.data.cache import frame_cache
from vlasandbox.train.data.dataset import Dataset
from vlasandbox.train.data.files import DatasetError, exclusive
from vlasandbox.train.data.staging import FOLDER, staged_seeds
from vlasandbox.train.data.writer import DatasetWriter


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("dataset") / "pick")


@pytest.fixture
def root(pristine: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(pristine, tmp_path / "pick"))


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file of the user's beside the dataset."""
    path = tmp_path / "precious"
    path.write_text("mine")
    return path


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/etc/passwd", "", ".", "a\0b", "..\\x", "link", "link/x", 3, None, ["a"]]
)
def test_a_name_that_leads_out_is_refused(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/link").symlink_to(tmp_path)
    with pytest.raises(ValueError, match=r"leads out of|not the name of a file"):
        inside(tmp_path / "folder", name)


def test_a_name_inside_is_its_path(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert inside(tmp_path, "a/b") == tmp_path / "a/b"
    assert inside(tmp_path, "link/b") == tmp_path / "link/b"


def test_a_snapshot_in_the_cache_of_the_hub_is_read_through_its_links(pristine, tmp_path):
    blobs, snapshot = tmp_path / "repo/blobs", tmp_path / "repo/snapshots/abc"
    blobs.mkdir(parents=True)
    for number, path in enumerate(path for path in pristine.rglob("*") if path.is_file()):
        shutil.copy(path, blobs / str(number))
        link = snapshot / path.relative_to(pristine)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blobs / str(number), link.parent))
    assert Dataset.open(snapshot).fingerprint == Dataset.open(pristine).fingerprint


@pytest.mark.parametrize(
    "names",
    [
        ["../precious"], ["meta/../../precious"], ["precious"], [".git/config"], ["meta/info.json", 3],
        "x", {}, ["meta/episodes/chunk-000/../../../../precious"], ["videos/../../chunk-000/file-000.mp4"],
    ],
)  # fmt: skip
def test_the_manifest_of_a_commit_writes_only_where_a_dataset_has_files(root, outside, names):
    work = root / ".recording/commit"
    work.mkdir(parents=True)
    (work / "manifest.json").write_text(json.dumps(names))
    (work.parent / "precious").write_text("theirs")
    (work / "precious").write_text("theirs")
    with pytest.raises(DatasetError, match="lists what no dataset has"):
        DatasetWriter(root, SETTINGS)
    assert outside.read_text() == "mine"
    assert not (root / "precious").exists()


def test_a_commit_is_not_written_through_a_link(root, tmp_path):
    work, victim = root / ".recording/commit", tmp_path / "victim"
    (work / "meta").mkdir(parents=True)
    (work / "meta/stats.json").write_text("theirs")
    (work / "manifest.json").write_text('["meta/stats.json"]')
    shutil.move(root / "meta", victim)
    (root / "meta").symlink_to(victim)
    before = (victim / "stats.json").read_text()
    with pytest.raises(DatasetError, match="a link that leads elsewhere"):
        DatasetWriter(root, SETTINGS)
    assert (victim / "stats.json").read_text() == before


@pytest.mark.parametrize("name", [".recording", ".cache"])
def test_nothing_is_put_into_a_folder_that_is_a_link(root, tmp_path, name):
    (tmp_path / "victim").mkdir()
    (root / name).symlink_to(tmp_path / "victim")
    with pytest.raises(DatasetError, match="a link that leads elsewhere"):
        DatasetWriter(root, SETTINGS) if name == ".recording" else frame_cache(Dataset.open(root), 16)
    assert not list((tmp_path / "victim").iterdir())


def test_a_lock_that_is_a_link_does_not_empty_what_it_points_to(tmp_path, outside):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/lock").symlink_to(outside)
    with pytest.raises(DatasetError, match="is a link"), exclusive(tmp_path / "folder", wait=True):
        pass
    assert outside.read_text() == "mine"


def set_video_path(root: Path, template: str) -> None:
    drop_checksums(root)
    info = json.loads((root / schema.INFO).read_text())
    (root / schema.INFO).write_text(json.dumps(info | {"video_path": template}))


@pytest.mark.parametrize(
    "template",
    [
        "../{video_key}.mp4", "/{video_key}.mp4", "{video_key.x}", "{video_key[a]}", "{video_key!r}", "{",
        "{}", "{file_index:0300000000d}", "{file_index:>99}", "{chunk_index:{file_index}}", "{{video_key}}",
        "{other}",
    ],
)  # fmt: skip
def test_a_video_path_is_filled_from_its_three_fields_alone(root, template):
    set_video_path(root, template)
    with pytest.raises(DatasetError, match="impossible video_path"):
        Dataset.open(root)


def test_lerobots_own_templates_are_filled(root):
    assert schema.filled(schema.VIDEO_PATH, "observation.images.front", 3, 12) == (
        "videos/observation.images.front/chunk-003/file-012.mp4"
    )
    assert schema.filled("{chunk_index}/{file_index:d}", "", 1, 2) == "1/2"
    for number in (0, 999, 1000):
        assert schema.is_own(schema.DATA_PATH.format(**schema.place(number)))


def test_a_video_that_is_a_link_out_of_the_dataset_is_not_read(root, tmp_path):
    video = next(root.rglob("*.mp4"))
    shutil.move(video, tmp_path / "elsewhere.mp4")
    video.symlink_to(tmp_path / "elsewhere.mp4")
    with pytest.raises(DatasetError, match="leads out of"):
        Dataset.open(root)


def test_a_recording_goes_on_after_a_refusal_was_mended(root):
    work = root / ".recording/commit"
    work.mkdir(parents=True)
    (work / "manifest.json").write_text('["../x"]')
    with pytest.raises(DatasetError, match=f"delete {work}"):
        DatasetWriter(root, SETTINGS)
    shutil.rmtree(work)
    writer = DatasetWriter(root, SETTINGS)
    writer.add_episode(synthetic_episode(5), SPEC)
    writer.commit()
    assert len(Dataset.open(root).starts) == 4


def test_a_link_among_staged_episodes_is_refused(tmp_path):
    folder = tmp_path / "data" / FOLDER
    folder.mkdir(parents=True)
    (tmp_path / "elsewhere.npz").write_bytes(b"")
    (folder / "episode-0000001.npz").symlink_to(tmp_path / "elsewhere.npz")
    with pytest.raises(DatasetError, match=r"episode-0000001\.npz is a link, .*: delete it"):
        staged_seeds(tmp_path / "data")
