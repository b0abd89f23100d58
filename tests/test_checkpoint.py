"""A checkpoint holds everything, and one complete checkpoint always exists."""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

from vlasandbox.train import checkpoint
from vlasandbox.train.checkpoint import CheckpointError, Progress
from vlasandbox.train.ema import EMA
from vlasandbox.train.optim import OptimConfig

PROGRESS = Progress(step=3, threads=1, wall_seconds=1.5, cpu_seconds=1.25, wait_seconds=0.25, dataset="abc")


class Run:
    """A model, its optimiser and its average, after `updates` updates."""

    def __init__(self, updates: int, width: int = 4) -> None:
        torch.manual_seed(width)
        self.model = nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Linear(width, 2))
        self.unused = self.model.register_parameter("unused", nn.Parameter(torch.ones(2)))
        self.optimizer = OptimConfig(warmup=0).build(self.model)
        self.ema = EMA(self.model, 0.9)
        for step in range(updates):
            self.update(step)

    def update(self, step: int) -> None:
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
        self.optimizer.zero_grad()
        self.model(x).square().mean().backward()
        self.optimizer.step()
        self.ema.update(step)

    def save(self, path: Path, progress: Progress = PROGRESS) -> None:
        checkpoint.save(path, self.model, self.optimizer, self.ema, progress)

    def load(self, path: Path) -> None:
        checkpoint.load(path, self.model, self.optimizer, self.ema)


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Writing past `size` bytes fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def assert_same(a: Run, b: Run) -> None:
    for left, right in ((a.model.state_dict(), b.model.state_dict()), (a.ema.tensors, b.ema.tensors)):
        assert left.keys() == right.keys()
        assert all(torch.equal(left[name], right[name]) for name in left)


def test_run_continues_bit_identically_after_a_round_trip(tmp_path: Path):
    whole, part = Run(updates=6), Run(updates=3)
    part.save(tmp_path / "resume.safetensors")
    resumed = Run(updates=0)
    resumed.load(tmp_path / "resume.safetensors")
    for step in range(3, 6):
        resumed.update(step)
    assert_same(whole, resumed)


def test_numbers_come_back(tmp_path: Path):
    Run(updates=1).save(tmp_path / "resume.safetensors")
    assert checkpoint.read_progress(tmp_path / "resume.safetensors") == PROGRESS
    assert checkpoint.read_progress(tmp_path / "none.safetensors") is None


def test_file_is_plain_safetensors_and_json(tmp_path: Path):
    Run(updates=1).save(tmp_path / "resume.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["resume.safetensors"]
    with safe_open(tmp_path / "resume.safetensors", framework="np") as file:
        assert json.loads(file.metadata()["progress"])["step"] == 3
        assert "optimizer.exp_avg.0.weight" in file.keys()


def test_new_checkpoint_replaces_the_old_one(tmp_path: Path):
    path = tmp_path / "resume.safetensors"
    Run(updates=1).save(path)
    Run(updates=2).save(path, replace(PROGRESS, step=9))
    progress = checkpoint.read_progress(path)
    assert progress is not None
    assert progress.step == 9


def test_full_disk_keeps_the_old_checkpoint_and_says_so(tmp_path: Path):
    path, run = tmp_path / "resume.safetensors", Run(updates=2)
    run.save(path)
    before = path.read_bytes()
    run.update(2)
    with file_size_limit(1024), pytest.raises(CheckpointError, match="the previous one is kept"):
        run.save(path, replace(PROGRESS, step=4))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_crash_while_writing_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path, run = tmp_path / "resume.safetensors", Run(updates=2)
    run.save(path)

    def die(_: object, partial: Path, **__: object) -> None:
        partial.write_bytes(b"half a file")
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save_file", die)
    with pytest.raises(KeyboardInterrupt):
        run.save(path, replace(PROGRESS, step=4))
    monkeypatch.undo()
    assert checkpoint.read_progress(path) == PROGRESS
    run.save(path, replace(PROGRESS, step=4))
    assert list(tmp_path.iterdir()) == [path]


def test_other_shapes_are_refused_naming_the_tensor(tmp_path: Path):
    Run(updates=1, width=4).save(tmp_path / "resume.safetensors")
    with pytest.raises(CheckpointError, match=r"ema\.0\.bias has shape \[4\] there and shape \[5\] here"):
        Run(updates=0, width=5).load(tmp_path / "resume.safetensors")


def test_missing_tensor_is_refused_by_name(tmp_path: Path):
    Run(updates=1).save(tmp_path / "resume.safetensors")
    run = Run(updates=0)
    run.model.append(nn.Linear(2, 2))
    run.ema = EMA(run.model, 0.9)
    with pytest.raises(CheckpointError, match=r"ema\.3\.bias has no such tensor there"):
        run.load(tmp_path / "resume.safetensors")


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint at all", None])
def test_damaged_file_gives_one_clear_message(tmp_path: Path, damage: bytes | None):
    path = tmp_path / "resume.safetensors"
    Run(updates=1).save(path)
    path.write_bytes(path.read_bytes()[:-100] if damage is None else damage)
    with pytest.raises(CheckpointError, match=r"resume\.safetensors is"):
        checkpoint.read_progress(path)
    with pytest.raises(CheckpointError, match=r"resume\.safetensors is"):
        Run(updates=0).load(path)


def test_every_changed_byte_is_found(tmp_path: Path):
    path = tmp_path / "resume.safetensors"
    Run(updates=1).save(path)
    content = path.read_bytes()
    for position in range(len(content) - 1, 0, -len(content) // 20):
        changed = bytearray(content)
        changed[position] ^= 1
        path.write_bytes(changed)
        with pytest.raises(CheckpointError):
            Run(updates=0).load(path)


def test_a_checkpoint_of_before_there_were_checksums_loads(tmp_path: Path):
    from safetensors.torch import load_file, save_file

    path = tmp_path / "resume.safetensors"
    run = Run(updates=1)
    run.save(path)
    with safe_open(path, framework="pt") as file:
        progress = file.metadata()["progress"]
    save_file(load_file(path), path, metadata={"progress": progress})
    again = Run(updates=0)
    again.load(path)
    assert_same(run, again)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path):
    run = Run(updates=1)
    with torch.no_grad():
        run.model.get_parameter("0.weight")[0, 0] = float("nan")
    run.save(tmp_path / "resume.safetensors")
    with pytest.raises(CheckpointError, match=r"numbers in model\.0\.weight that are not finite: delete it"):
        Run(updates=0).load(tmp_path / "resume.safetensors")


def test_foreign_safetensors_file_is_refused(tmp_path: Path):
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, tmp_path / "resume.safetensors")
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        checkpoint.read_progress(tmp_path / "resume.safetensors")
