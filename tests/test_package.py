"""A policy that comes with the package: rounded, judged, described, and part of the wheel."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_policies import small_policy

from vlasandbox.policies import packaged
from vlasandbox.policies.policy import Policy
from vlasandbox.train.cli import main
from vlasandbox.train.recording.record import RecordConfig, record
from vlasandbox.train.workflows import package

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on two real demonstrations, and its policy packaged in `package` beside it."""
    home = tmp_path_factory.mktemp("home")
    record(RecordConfig(home / "data", 2, workers=1))
    assert main(["train", "debug", "--data", str(home / "data"), "--out", str(home / "run")]) == 0
    flags = ["--out", str(home / "package"), "--episodes", "2", "--workers", "1"]
    assert main(["package", str(home / "run"), *flags]) == 0
    return home / "run"


def test_weights_are_rounded_to_half_the_size_and_statistics_are_exact(run):
    full, small = (Policy.load(folder) for folder in (run / "policy", run.with_name("package")))
    stored = load_file(run.with_name("package") / "model.safetensors")
    rounded = package.rounded_tensors(full)
    assert len(rounded) > 20
    for name, weight in full.state_dict().items():
        loaded = small.state_dict()[name]
        assert loaded.dtype == weight.dtype
        if name in rounded:
            assert stored[name].dtype == torch.bfloat16
            assert torch.equal(loaded, weight.to(torch.bfloat16).float())
        else:
            assert torch.equal(loaded, weight), name
    assert "action_normalizer.scale" not in rounded
    sizes = [
        (folder / "model.safetensors").stat().st_size for folder in (run / "policy", run.with_name("package"))
    ]
    assert sizes[1] < 0.6 * sizes[0]


def test_the_card_reports_the_rounded_policy_and_nothing_names_the_machine(run):
    out = run.with_name("package")
    card = (out / "README.md").read_text()
    assert "vla demo" in card
    assert "trained on: pick." in card
    assert "| pick | test | " in card
    assert "2000000..2000001" in card
    told = {path: path.read_text() for path in out.rglob("*") if path.suffix in (".json", ".md")}
    assert len(told) >= 4
    assert not [path for path, text in told.items() if str(run.parent) in text]


def test_packaging_again_plays_nothing_again_and_keeps_what_else_is_there(run, monkeypatch):
    out = run.with_name("package")
    (out / "__init__.py").touch()
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    monkeypatch.setattr("vlasandbox.train.evaluation._play", lambda *_: pytest.fail("played again"))
    flags = ["--out", str(out), "--episodes", "2"]
    assert main(["package", str(run), *flags]) == 0
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_the_demo_films_it_by_default(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(packaged, "FOLDER", run.with_name("package"))
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "pick up the red cube"]) == 0
    said = capsys.readouterr().out
    assert 'Told to packaged: "pick up the red cube"' in said
    assert (tmp_path / "episode.mp4").stat().st_size > 1000


def test_what_cannot_be_packaged_is_refused(run, tmp_path, monkeypatch, capsys):
    small_policy("flow").save(tmp_path / "bare" / "policy")
    for named in ("expert", str(tmp_path / "bare")):
        assert main(["package", named, "--out", str(tmp_path / "out")]) == 2
        assert "is no finished training on a task of vlasandbox" in capsys.readouterr().err
    monkeypatch.setattr(package, "MAX_BYTES", 2**16)
    assert main(["package", str(run), "--out", str(tmp_path / "out")]) == 2
    assert "as bf16, and this package carries at most 0: train a smaller policy" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_wheel_has_all_of_it(run, tmp_path):
    pytest.importorskip("setuptools")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name in ("common", "common/vlasandbox", "envs", "vision", "train", "eval"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "policies" / "packaged").mkdir(parents=True)
    (tmp_path / "policies" / "__init__.py").touch()
    files = [path for path in run.with_name("package").rglob("*") if path.is_file()]
    for path in files:
        copy = tmp_path / "policies" / "packaged" / path.relative_to(run.with_name("package"))
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (tmp_path / "policies" / "packaged" / "__init__.py").touch()
    command = [sys.executable, "setup.py", "-q", "build", "--build-base", "build"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    built = tmp_path / "build" / "lib" / "vlasandbox" / "policies" / "packaged"
    for path in files:
        copy = built / path.relative_to(run.with_name("package"))
        assert copy.read_bytes() == path.read_bytes(), f"{copy.name} is not in the wheel"


def test_what_is_in_this_checkout_is_whole():
    carried = (packaged.FOLDER / "model.safetensors").exists()
    if not carried:
        with pytest.raises(FileNotFoundError, match="carries no policy of its own"):
            packaged.packaged_policy()
        return
    policy = Policy.load(packaged.packaged_policy())
    assert sum(p.numel() for p in policy.parameters()) > 10_000
    assert "| pick | test | " in (packaged.FOLDER / "README.md").read_text()
    assert json.loads((packaged.FOLDER / "summary.json").read_text())["dataset"]["task"]
