"""Demonstrations in the hands of other programs: what survives there, and what the Hub shows."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from foreign_datasets import edit_info
from huggingface_hub import DatasetCard
from synthetic_episodes import SETTINGS, SPEC, synthetic_episode, write_dataset

from vlasandbox import envs
from vlasandbox.policies.policy import Policy
from vlasandbox.train.cli import main
from vlasandbox.train.data import card, schema, staging
from vlasandbox.train.data import writer as writer_module
from vlasandbox.train.data.dataset import Dataset
from vlasandbox.train.data.files import DatasetError
from vlasandbox.train.data.merge import open_data
from vlasandbox.train.data.windows import WindowSampler
from vlasandbox.train.data.writer import DatasetWriter

FRONT = "observation.images.front"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "pick")


def rewritten(root: Path) -> Path:
    """As LeRobot leaves a dataset that it split, merged or shortened: what it does not know is gone."""
    for name in (schema.OURS, schema.INITIAL_STATES):
        (root / name).unlink()
    return root


def without_front(root: Path) -> Path:
    """As LeRobot's remove_feature leaves it."""
    shutil.rmtree(root / "videos" / FRONT)
    edit_info(root, lambda info: info["features"].pop(FRONT))
    return root


def test_what_actions_mean_survives_in_the_features(root):
    before = Dataset.open(root)
    after = Dataset.open(rewritten(root))
    assert before.spec_dict is not None
    assert after.spec_dict is not None
    assert after.recording is None
    assert after.action_space == before.action_space
    same = ("robot", "command_names", "state_names", "control_hz", "cameras")
    assert {k: after.spec_dict[k] for k in same} == {k: before.spec_dict[k] for k in same}
    assert "task" not in after.spec_dict
    pictures = np.zeros((len(after), 2, 8, 8, 3), np.uint8)
    samplers = [WindowSampler(d, pictures, 3, 4, 0, "joint_absolute") for d in (before, after)]
    batches = [sampler.batch(0) for sampler in samplers]
    assert np.array_equal(batches[0].actions, batches[1].actions)
    for sampler in samplers:
        sampler.close()


def test_a_policy_that_learned_from_it_knows_its_robot_and_space(root, tmp_path, capsys):
    rewritten(root)
    assert main(["train", "debug", "--data", str(root), "--out", str(tmp_path / "run")]) == 0
    assert f"Judge it: vla eval {tmp_path / 'run'}" in capsys.readouterr().out
    spec = Policy.load(tmp_path / "run/policy").spec
    assert (spec.action_space, spec.robot) == (SPEC["action_space"]["name"], SPEC["robot"])


def test_a_camera_that_was_removed_is_no_fault(root, tmp_path, capsys):
    without_front(rewritten(root))
    dataset = Dataset.open(root)
    assert dataset.cameras == ("wrist",)
    assert dataset.spec_dict is not None
    assert dataset.spec_dict["cameras"] == ["wrist"]
    assert main(["train", "debug", "--data", str(root), "--out", str(tmp_path / "run")]) == 0
    assert Policy.load(tmp_path / "run/policy").spec.cameras == ("wrist",)


def test_it_goes_together_with_what_was_not_rewritten(root):
    rewritten(shutil.copytree(root, root.parent / "all/a"))
    shutil.copytree(root, root.parent / "all/b")
    both = open_data(root.parent / "all")
    assert both.action_space == SPEC["action_space"]["name"]
    assert both.spec_dict is not None
    assert "task" not in both.spec_dict


def test_features_are_the_same_for_all_tasks_so_that_they_can_be_merged():
    meanings = []
    for task in ("pick", "stack", "drawer"):
        env = envs.make(task, cameras=())
        meanings.append(schema.meaning(env.spec_dict()))
        env.close()
    assert meanings[0] == meanings[1] == meanings[2]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("fps", 20, "timestamp|fps 20"),
        ("names", ["a"] * 9, "is inconsistent: action dimensions 5 in meta/info.json, 9 in its 'action'"),
    ],
)
def test_what_the_features_say_is_compared_with_what_is_there(root, name, value, message):
    rewritten(root)

    def change(info):
        if name == "fps":
            info["fps"] = value
        else:
            info["features"]["action"]["info"][schema.MEANING]["action_space"]["dims"] = value

    edit_info(root, change)
    with pytest.raises(DatasetError, match=message):
        Dataset.open(root)


@pytest.mark.parametrize("info", [None, {}, "x", {schema.MEANING: []}, {schema.MEANING: {"robot": "franka"}}])
def test_another_programs_info_is_no_meaning_of_ours(root, info):
    rewritten(root)
    edit_info(root, lambda content: content["features"]["action"].update(info=info))
    assert Dataset.open(root).spec_dict is None


def test_success_is_not_judged_on_a_task_that_nobody_named(root, tmp_path, capsys):
    rewritten(root)
    out = str(tmp_path / "run")
    assert main(["train", "debug", "--data", str(root), "--out", out, "--eval-every", "1"]) == 2
    assert "do not name it" in capsys.readouterr().err


def test_the_card_has_what_the_hub_reads(root):
    written = DatasetCard.load(root / card.FILE)
    assert written.data.to_dict()["task_categories"] == ["robotics"]
    assert "LeRobot" in written.data.to_dict()["tags"]
    (config,) = written.data.to_dict()["configs"]
    assert list(root.glob(config["data_files"]))
    info = json.loads((root / schema.INFO).read_text())
    assert f"| episodes | {info['total_episodes']} |" in written.content
    assert SPEC["action_space"]["name"] in written.content


def test_the_card_grows_with_the_dataset_until_somebody_edits_it(root):
    def add(seed: int) -> str:
        writer = DatasetWriter(root, SETTINGS)
        writer.add_episode(synthetic_episode(seed, 4), SPEC)
        writer.commit()
        return (root / card.FILE).read_text()

    assert "| episodes | 4 |" in add(10)
    text = (root / card.FILE).read_text().replace(card.MARK, "license: mit")
    (root / card.FILE).write_text(text)
    assert add(11) == text
    Dataset.open(root).fingerprint  # noqa: B018, which verifies all checksums


def test_a_card_that_is_a_link_is_left_alone(root, tmp_path):
    (root / card.FILE).unlink()
    (tmp_path / "mine").write_text(card.MARK)
    (root / card.FILE).symlink_to(tmp_path / "mine")
    card.write_card(root, json.loads((root / schema.INFO).read_text()), SPEC)
    assert (tmp_path / "mine").read_text() == card.MARK


def test_a_dataset_from_before_the_features_said_it_loads_trains_and_grows(tmp_path, monkeypatch):
    features = schema.features

    def former(*args):
        table = features(*args)
        del table[schema.ACTION]["info"]
        return table

    with monkeypatch.context() as patch:
        patch.setattr(staging, "features", former)
        patch.setattr(writer_module, "write_card", lambda *args: None)
        root = write_dataset(tmp_path / "pick")
    assert "info" not in json.loads((root / schema.INFO).read_text())["features"]["action"]
    before = Dataset.open(root)
    assert before.spec_dict == SPEC
    assert main(["train", "debug", "--data", str(root), "--out", str(tmp_path / "run")]) == 0
    writer = DatasetWriter(root, SETTINGS)
    writer.add_episode(synthetic_episode(50), SPEC)
    writer.commit()
    grown = Dataset.open(root)
    assert len(grown.lengths) == len(before.lengths) + 1
    assert grown.spec_dict == SPEC
    assert Dataset.open(rewritten(root)).action_space == SPEC["action_space"]["name"]
