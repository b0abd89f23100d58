"""`vla check` finds whatever is no longer what was written, wherever it is in a folder."""

import json
import shutil
from pathlib import Path

import made_up_results
import pytest
import tiny_policy
import torch
from synthetic_episodes import SETTINGS, SPEC, synthetic_episode
from torch import nn

from vlasandbox.common.json_lines import to_line
from vlasandbox.train import checkpoint
from vlasandbox.train.checkpoint import Progress
from vlasandbox.train.cli import main
from vlasandbox.train.data.cache import frame_cache
from vlasandbox.train.data.dataset import Dataset
from vlasandbox.train.data.files import write_sealed
from vlasandbox.train.data.writer import DatasetWriter
from vlasandbox.train.ema import EMA
from vlasandbox.train.integrity import check_folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one thing of each kind."""
    root = tmp_path_factory.mktemp("whole")
    writer = DatasetWriter(root / "data/pick", SETTINGS)
    for seed in range(2):
        writer.add_episode(synthetic_episode(seed), SPEC)
    writer.commit()
    run = root / "study/cells/flow"
    model = nn.Linear(2, 2)
    state = (
        model,
        torch.optim.SGD(model.parameters()),
        EMA(model, 0.9),
        Progress(7, 1, 0.0, 0.0, 0.0, "data"),
    )
    checkpoint.save(run / "state/resume.safetensors", *state)
    tiny_policy.build().save(run / "policy")
    write_sealed(run / "summary.json", {"dataset": {}})
    write_sealed(run / "config.json", {"seed": 0})
    write_sealed(run / "open_loop.json", {"mean": 0.5, "steps": [0.5]})
    (run / "metrics.jsonl").write_text("".join(to_line({"step": n, "loss": 1 / n}) for n in (1, 2, 3)))
    frame_cache(Dataset.open(root / "data/pick"), 16)
    frame_cache(Dataset.open(root / "data/pick"), 16, root / "frames")
    writer = DatasetWriter(root / "data/place", SETTINGS)
    writer.add_episode(synthetic_episode(5), SPEC)
    made_up_results.result("flow", "sfte").save(run / "eval/pick/test")
    write_sealed(root / "study/study.json", {"study": {"cells": {"flow": {}}}, "code": "abc"})
    write_sealed(root / "study/results.json", {"rows": []})
    write_sealed(root / "study/tuning.json", {"flow": "high"})
    return root


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "folder")
    return tmp_path / "folder"


def test_one_thing_of_each_kind_is_verified(folder: Path):
    found = {finding.kind: finding for finding in check_folder(folder)}
    assert {kind: finding.whole for kind, finding in found.items()} == dict.fromkeys(
        ("dataset", "policy", "study", "run", "evaluation", "frames"), True
    )
    assert found["run"].note == "finished; its checkpoint of 7 updates verified"
    assert found["evaluation"].note == "4 episodes; 2 files verified"
    assert found["study"].note == "1 trainings done; study and results verified"
    assert found["frames"].note == "1 files verified"
    assert "files verified" in found["policy"].note


def _files(folder: Path) -> list[Path]:
    """All but cards, which people may edit."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != "README.md")
    return sorted(path for path in found if path.stat().st_size)


@pytest.mark.parametrize("damage", ["flipped", "cut", "missing"])
def test_damage_to_any_file_is_found_and_to_its_thing_alone(folder: Path, damage: str):
    # Whether these are there is known from nowhere else; a JSON lines file may end anywhere.
    may_be_missing = (
        "result.json", "results.json", "summary.json", "study.json", "resume.safetensors", "config.json",
        "open_loop.json", "tuning.json", "metrics.jsonl", "settings.json", "learned_from.json",
    )  # fmt: skip
    may_be_cut = ("metrics.jsonl",)
    tried = 0
    for path in _files(folder):
        content = path.read_bytes()
        known = "policy" in path.parts and path.name == "config.json"
        gone = path.name in may_be_missing or path.suffix in (".npy", ".npz")
        if (damage == "missing" and gone and not known) or (damage == "cut" and path.name in may_be_cut):
            continue
        middle = len(content) // 2
        if damage == "missing":
            path.unlink()
        elif damage == "cut":
            path.write_bytes(content[:middle])
        else:
            path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        bad = [finding for finding in check_folder(folder) if not finding.whole]
        assert len(bad) == 1, f"{path} {damage}: {bad}"
        assert path.is_relative_to(bad[0].path)
        assert "\n" not in bad[0].note
        assert "again" in bad[0].note
        path.write_bytes(content)
        tried += 1
    assert tried > 10


def test_a_finished_run_without_its_policy_is_told(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["check", str(folder)]) == 0
    shutil.rmtree(folder / "study/cells/flow/policy")
    assert main(["check", str(folder)]) == 1
    said = capsys.readouterr()
    assert "its policy is missing: the same `vla train` makes it again" in said.out
    assert said.err == "vla check: 1 of 6 damaged or incomplete, see above\n"


def test_a_model_of_another_program_is_no_policy_of_ours(folder: Path, tmp_path: Path):
    other = tmp_path / "model"
    shutil.copytree(folder / "study/cells/flow/policy", other)
    (other / "config.json").write_text(json.dumps({"model_type": "siglip"}))
    assert list(check_folder(other)) == []
    assert main(["check", str(other)]) == 2
