"""`vla export`: a folder that the Hub and Policy.load both read."""

import json
import os
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard
from made_up_results import result
from safetensors.torch import load_file
from synthetic_episodes import write_dataset

from vlasandbox.envs.seeds import TEST
from vlasandbox.policies.policy import Policy
from vlasandbox.train.cli import main
from vlasandbox.train.data.dataset import Dataset


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished training with one result, and one from before it."""
    home = tmp_path_factory.mktemp("home")
    write_dataset(home / "data")
    flags = ["--data", str(home / "data"), "--out", str(home / "run"), "--updates", "3", "--seed", "7"]
    assert main(["train", "debug", *flags]) == 0
    result("run", "ssssssssft").save(home / "run" / "eval" / "pick" / "test")
    older = result("run", "ffff").save(home / "run" / "eval" / "stack,wording=train" / "test")
    os.utime(older, (0, 0))
    return home / "run"


@pytest.fixture
def exported(run: Path, tmp_path: Path) -> Path:
    assert main(["export", str(run), "--out", str(tmp_path / "hub" / "mine")]) == 0
    return tmp_path / "hub" / "mine"


def test_the_exported_folder_is_the_policy(run: Path, exported: Path):
    assert [path.name for path in exported.parent.iterdir()] == ["mine"]
    again, policy = Policy.load(exported), Policy.load(run / "policy")
    assert (again.config, again.spec) == (policy.config, policy.spec)
    for name, tensor in load_file(exported / "model.safetensors").items():
        assert torch.equal(tensor, policy.state_dict()[name]), name


def test_the_hub_reads_the_cards_metadata(exported: Path):
    data = ModelCard.load(exported / "README.md").data.to_dict()
    assert data["license"] == "apache-2.0"
    assert set(data["tags"]) == {"robotics", "vla", "lerobot"}
    assert (data["library_name"], data["pipeline_tag"]) == ("vlasandbox", "robotics")


def test_a_licence_that_yaml_would_misread_is_kept(run: Path, tmp_path: Path):
    assert main(["export", str(run), "--out", str(tmp_path / "mine"), "--license", "no: #1"]) == 0
    assert ModelCard.load(tmp_path / "mine" / "README.md").data.to_dict()["license"] == "no: #1"


def test_the_card_tells_what_it_was_trained_on_and_for_how_long(run: Path, exported: Path):
    card = (exported / "README.md").read_text()
    assert f"| dataset fingerprint | {Dataset.open(run.parent / 'data').fingerprint} |" in card
    assert "| demonstrations | 3 episodes, a LeRobotDataset v3.0 |" in card
    assert "| training seed | 7 |" in card
    assert "| updates | 3, of 4 windows each |" in card
    assert "action head `regression`" in card


def test_the_card_has_the_results_of_these_weights_and_no_others(exported: Path):
    card = (exported / "README.md").read_text()
    first, last = TEST.start, TEST.start + 9
    assert f"| pick | test | 8/10 | [49.0, 94.3]% | {first}..{last} | 4 |" in card  # Wilson
    assert "stack" not in card


def test_a_policy_that_was_not_judged_says_so(run: Path, tmp_path: Path):
    (run / "eval").rename(tmp_path / "eval")
    try:
        assert main(["export", str(run / "policy"), "--out", str(tmp_path / "mine")]) == 0
    finally:
        (tmp_path / "eval").rename(run / "eval")
    assert "Not evaluated yet." in (tmp_path / "mine" / "README.md").read_text()


def test_what_is_there_already_is_left_alone(run: Path, exported: Path, capsys: pytest.CaptureFixture[str]):
    (exported / "README.md").write_text("mine")
    assert main(["export", str(run), "--out", str(exported)]) == 2
    assert f"{exported} exists already" in capsys.readouterr().err
    assert (exported / "README.md").read_text() == "mine"


def test_what_was_not_trained_here_is_refused(
    run: Path, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for name, said in (
        ("expert", "'expert' is no trained policy"),
        (str(exported), "no finished training"),
        (str(tmp_path / "nothing"), "no policy in"),
    ):
        assert main(["export", name, "--out", str(tmp_path / "new")]) == 2
        assert said in capsys.readouterr().err
        assert not (tmp_path / "new").exists()


def test_no_path_of_this_machine_is_in_the_export(run: Path, exported: Path):
    for name in ("README.md", "config.json"):
        assert str(run.parent) not in (exported / name).read_text()
    assert json.loads((exported / "config.json").read_text())["format"] == 1
