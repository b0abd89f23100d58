"""EnvConfig: carried whole from the command line to the worker, and found again in what was stored."""

import subprocess
import sys
from pathlib import Path

import pytest

from vlasandbox.envs.config import EnvConfig
from vlasandbox.envs.expert import NoiseConfig
from vlasandbox.train.cli import record
from vlasandbox.train.recording.record import RecordConfig

CONFIG = EnvConfig(
    "stack", "so101_like", "ee_absolute", 20.0, 32, ("wrist",), "pretty", "train", "train", "camera=0-3"
)


def test_a_stored_specification_is_the_configuration_that_it_was_made_from():
    env = CONFIG.build()
    assert env.config == CONFIG
    assert EnvConfig.of_spec(env.spec_dict()) == CONFIG
    env.close()


def test_settings_that_are_newer_than_a_file_have_their_defaults():
    old = {"task": "pick", "action_space": {"name": "ee_delta"}, "cameras": ["front"], "control_hz": 10.0}
    assert EnvConfig.of_spec(old) == EnvConfig(cameras=("front",))


def test_it_is_imported_without_torch_and_the_simulator():
    source = (
        "import sys, vlasandbox.envs.config; heavy = {'torch', 'jaxtyping', 'mujoco'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-P", "-c", source], check=True)


@pytest.mark.parametrize("clean", [False, True])
def test_the_command_line_reaches_every_setting_of_a_recording(clean, tmp_path, monkeypatch):
    asked: list[RecordConfig] = []
    monkeypatch.setattr(record, "record", asked.append)
    flags = {
        "out": tmp_path, "episodes": 5, "first-seed": 7, "workers": 2, "robot": "so101_like",
        "action-space": "ee_absolute", "control-hz": 20, "image-size": 32, "cameras": "wrist",
        "quality": "pretty", "wording": "train", "combinations": "train", "perturb": "camera=0-3",
        "noise.rate": 2.0,
    }  # fmt: skip
    words = [str(word) for name, value in flags.items() for word in (f"--{name}", value)]
    assert record.main(["stack", *words, *(["--clean"] if clean else [])]) == 0
    (config,) = asked
    noise = None if clean else NoiseConfig(rate=2.0)
    expected = RecordConfig(Path(tmp_path), 5, CONFIG, noise, first_seed=7, workers=2)
    assert config.settings() == expected.settings()
    assert (config.root, config.episodes, config.workers) == (tmp_path, 5, 2)


def test_several_tasks_are_recorded_beside_each_other(tmp_path, monkeypatch):
    asked: list[RecordConfig] = []
    monkeypatch.setattr(record, "record", asked.append)
    record.main(["pick+stack:count=3", "--out", str(tmp_path)])
    assert [(c.root.name, c.env.task) for c in asked] == [
        ("pick", "pick"),
        ("stack,count=3", "stack:count=3"),
    ]
    assert asked[0].settings() == RecordConfig(tmp_path).settings()
