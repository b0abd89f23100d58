"""A user's mistakes, made on the command line: one message that names them, status 2, nothing lost."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from full_disk import file_size_limit
from synthetic_episodes import write_dataset

from vlasandbox.train.cli import main


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a made-up dataset `data` and a finished run `run` on it."""
    home = tmp_path_factory.mktemp("home")
    write_dataset(home / "data")
    flags = ["--data", str(home / "data"), "--out", str(home / "run"), "--updates", "1"]
    assert main(["train", "debug", *flags]) == 0
    return home


@pytest.fixture
def here(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it that a test may damage, as the working directory."""
    shutil.copytree(home, tmp_path / "home")
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def fails(capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must fail, and gives all that it and the processes below it said."""

    def run(command: str) -> str:
        capfd.readouterr()
        try:
            status = main(command.split())
        except SystemExit as ended:  # the flags are tyro's business
            status = ended.code
        said = capfd.readouterr().err
        assert status == 2, said
        assert "Traceback" not in said
        return " ".join(said.split())

    return run


def edit(path: Path, *keys: str, value: object) -> None:
    """Edits a file as a person may: without its checksum, which would tell of it."""
    document = json.loads(path.read_text())
    document.pop("sha256", None)
    node = document
    for key in keys[:-1]:
        node = node[key]
    node[keys[-1]] = value
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("train debug --data nowhere --out new", "nowhere does not exist"),
        ("train debug --data run --out new", "run is not a LeRobotDataset: there is no meta/info.json"),
        (
            "train debug --data data --out new --device tpu",
            "unknown device 'tpu'; this machine has: auto, cpu",
        ),
        (
            "train debug --data data --out new --data.action-space joint",
            "unknown action space 'joint'; valid: ee6d_absolute, ee6d_delta, ee6d_relative, ee_absolute",
        ),
        (
            "train debug --data data --out new --policy.head.network.width 7",
            "must be even and positive, got 7",
        ),
        (
            "train debug --data data --out new --policy.trunk.encoder.heads 0",
            "heads must be at least 1, got 0",
        ),
        ("train debug --data data --out new --policy.trunk.language.layers 0", "layers must be at least 1"),
        ("train debug --data data --out new --optim.lr nan", "optim.lr and optim.clip must be above 0"),
        ("train debug --data data --out new --policy.shift -1", "shift must not be negative, got -1"),
        ("train debug --data data --out new --policy.action-norm max", "invalid choice 'max'"),
        ("train debug --data data --out new --precision fp64", "invalid choice 'fp64'"),
        ("train debug --data data --out run --optim.lr 2e-3", "optim.lr is 0.001 there and 0.002 here"),
        ("record pick --out new --noise.gripper-flip 7", "noise.gripper_flip must be in [0, 1], got 7.0"),
        ("record pick --out new --control-hz nan", "control_hz nan cannot be stored"),
        ("record pick --out new --workers 0", "workers is 0, but must be at least 1"),
        ("record no.such.task --out new", "unknown task 'no.such.task': no such module; valid: "),
        ("record os.path --out new", "task 'os.path': the module has no Path"),
        ("record pick --out data", "data holds episodes with other settings"),
        ("record pick --out run", "run is not empty and was not recorded by vlasandbox"),
        ("eval data", "no policy in 'data'"),
        ("eval run --task juggle --episodes 1", "unknown task 'juggle'; valid: "),
        (
            "eval run --execution-horizon 9 --episodes 1",
            "execution_horizon must be at most the chunk length 4, got 9",
        ),
        ("eval run --episodes 0", "episodes must be between 1 and 1000000, got 0"),
        ("eval run --condition dark", "invalid choice 'dark'"),
        ("compare run", "a comparison needs at least two runs, got 1"),
        ("report nowhere", "no policy in 'nowhere'"),
    ],
)
def test_a_mistake_is_named_with_what_is_valid(
    here: Path, fails: Callable[..., str], command: str, said: str
):
    before = sorted(path for path in here.rglob("*"))
    message = fails(command)
    assert said in message.replace(" │ │ ", " ")
    assert not (here / "new" / "policy").exists()
    assert set(before) <= set(here.rglob("*")), "something was lost"


def test_a_truncated_dataset_is_named(here: Path, fails: Callable[..., str]):
    os.truncate(here / "data/data/chunk-000/file-000.parquet", 2000)
    assert "data/data/chunk-000/file-000.parquet is damaged" in fails("train debug --data data --out new")


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (("spec", "chunk"), 5, "model.safetensors does not fit config.json"),
        (
            ("spec", "action_space"),
            "joint",
            "unknown action space 'joint'; valid: ee6d_absolute, ee6d_delta, ee6d_relative, ee_absolute",
        ),
        (("spec", "cameras"), ["front", "side"], "unknown camera 'side'; valid: front, overview, wrist"),
        (("spec", "control_hz"), 30.0, "control_hz 30.0 is not a whole number of 5 ms physics steps"),
        (("spec", "image_size"), 4000, "image_size 4000 is not a whole number of pixels from 8 to 512"),
        (
            ("config", "head", "type"),
            "no.Head",
            "config.head: 'no.Head' is not an importable HeadConfig; valid:",
        ),
    ],
)
def test_a_policy_that_does_not_fit_its_weights_or_any_environment_is_refused(
    here: Path, fails: Callable[..., str], keys: tuple[str, ...], value: object, said: str
):
    edit(here / "run/policy/config.json", *keys, value=value)
    assert said in fails("eval run --episodes 1 --workers 1")


def test_a_policy_for_another_robot_is_refused_with_both_values(here: Path, fails: Callable[..., str]):
    """The made-up dataset has a state of three numbers."""
    assert "state dimensions: policy 3, environment 17" in fails("eval run --episodes 1 --workers 1")


@pytest.mark.parametrize(
    ("command", "backend"),
    [
        ("record pick --out new --episodes 1", "nonsense"),
        ("record pick --out new --episodes 1", "off"),
        ("eval run --episodes 1", "off"),
        ("eval expert --episodes 1", "nonsense"),
    ],
)
def test_without_rendering_one_message_says_what_to_do(
    here: Path, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch, command: str, backend: str
):
    monkeypatch.setenv("MUJOCO_GL", backend)
    message = fails(f"{command} --workers 1")
    assert f"MuJoCo cannot render with MUJOCO_GL={backend}" in message
    assert "egl, osmesa" in message
    assert "apt-get install" in message


def test_a_full_disk_while_training_keeps_the_run(
    here: Path, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("VLASANDBOX_FRAMES", str(here / "frames"))
    command = "train debug --data data --out new --updates 4"
    with file_size_limit(20_000):
        assert "the frame cache cannot be written (File too large)" in fails(command)
    assert main(command.split()) == 0
    shutil.rmtree(here / "new")
    with file_size_limit(150_000):
        assert "cannot write the checkpoint" in fails(command)
    assert main(command.split()) == 0


def test_a_loss_that_explodes_ends_with_advice(here: Path, fails: Callable[..., str]):
    message = fails("train debug --data data --out new --optim.lr 1e30 --updates 20")
    assert "so it was not made" in message
    assert "Try a lower optim.lr" in message
