"""Training on other programs' datasets, from the command line, and what is said about it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from foreign_datasets import DATA, TOP, WRIST, Foreign, edit_column, edit_info

from vlasandbox.policies.policy import Policy
from vlasandbox.train import presets
from vlasandbox.train.cli import main
from vlasandbox.train.loop import train
from vlasandbox.train.workflows.open_loop import open_loop_error


def _train(root: Path, out: Path, *flags: str) -> int:
    return main(["train", "debug", "--data", str(root), "--out", str(out), *flags])


@pytest.mark.parametrize(
    "source",
    [
        Foreign(images=(TOP, WRIST)),
        Foreign(tasks={5: "", 9: "pick it"}),
        Foreign(tasks={0: ""}),
        Foreign(dtype="float64"),
    ],
    ids=["images", "some empty sentences", "no sentences", "double precision"],
)
def test_it_trains_and_says_how_it_can_be_judged(source: Foreign, tmp_path: Path, capsys) -> None:
    root, out = source.write(tmp_path / "data"), tmp_path / "run"
    assert _train(root, out) == 0
    said = capsys.readouterr().out
    assert f"vla open-loop {out} {root}" in said
    assert "vla eval" not in said
    assert main(["open-loop", str(out), str(root)]) == 0
    assert main(["eval", str(out), "--task", "pick", "--episodes", "2"]) == 2
    assert "learned from another program's data" in capsys.readouterr().err
    assert main(["demo", str(out), "pick up the red cube"]) == 2
    assert "vla serve RUN" in capsys.readouterr().err


def test_a_dataset_without_state_trains_a_policy_that_needs_none(tmp_path: Path, capsys) -> None:
    root = Foreign(state=False).write(tmp_path / "data")
    assert _train(root, tmp_path / "run") == 2
    assert "has no 'observation.state'; a policy that needs none has --policy.trunk.state none" in (
        capsys.readouterr().err
    )
    for history in ("1", "2"):
        flags = ("--policy.trunk.state", "none", "--data.history", history)
        assert _train(root, tmp_path / f"run{history}", *flags) == 0
        assert Policy.load(tmp_path / f"run{history}" / "policy").spec.state_dim == 0
        assert np.isfinite(open_loop_error(Policy.load(tmp_path / f"run{history}/policy"), root)).all()


def test_a_camera_that_is_left_out_is_said(tmp_path: Path, capsys) -> None:
    root = Foreign().write(tmp_path / "data")
    edit_info(root, lambda info: info["features"][WRIST].update(info={"is_depth_map": True}))
    assert _train(root, tmp_path / "run") == 0
    assert f"Not learned from, since they are depth maps: {WRIST}" in capsys.readouterr().out
    assert Policy.load(tmp_path / "run/policy").spec.cameras == ("top",)


def test_settings_that_contradict_each_other_are_refused(tmp_path: Path, capsys) -> None:
    root = Foreign().write(tmp_path / "data")
    assert _train(root, tmp_path / "run", "--policy.action-norm", "z_score") == 0
    command = ["train", "pick_tokens", "--data", str(root), "--out", str(tmp_path / "new")]
    assert main([*command, "--policy.action-norm", "z_score"]) == 2
    assert "head.codec clips to [-1, 1], but normalization 'z_score'" in capsys.readouterr().err


def test_the_open_loop_error_goes_by_the_names_of_cameras_and_numbers(tmp_path: Path) -> None:
    source = Foreign()
    root = source.write(tmp_path / "data")
    config = replace(presets.load("debug")(root), ema_decay=0.0)
    policy = Policy.load(train(config, tmp_path / "run", bar=False))
    assert policy.spec.action_names == ("dx", "dy")
    assert policy.spec.state_names == ("pan", "lift", "gripper")
    other = Foreign(cameras={WRIST: (32, 32), TOP: (48, 64)}).write(tmp_path / "other")
    edit_info(other, lambda info: info["features"]["action"].update(names=["dy", "dx"]))
    edit_info(other, lambda i: i["features"]["observation.state"].update(names=["gripper", "pan", "lift"]))
    for file in (DATA.format(0), DATA.format(1)):
        edit_column(other, file, "action", lambda v: [x[::-1] for x in v])
        edit_column(other, file, "observation.state", lambda v: [[x[2], x[0], x[1]] for x in v])
    np.testing.assert_array_equal(open_loop_error(policy, root), open_loop_error(policy, other))
    edit_info(other, lambda info: info["features"]["action"].update(names=["dy", "dz"]))
    with pytest.raises(
        ValueError, match=r"action_names: policy \('dx', 'dy'\), demonstrations \('dy', 'dz'\)"
    ):
        open_loop_error(policy, other)


def test_the_open_loop_error_says_what_the_policy_learned_from(tmp_path: Path, capsys) -> None:
    root = Foreign().write(tmp_path / "data")
    other = Foreign(seed=1, lengths=(8, 8), files=(0, 0)).write(tmp_path / "other")
    assert _train(root, tmp_path / "run") == 0
    capsys.readouterr()

    def said(data: Path) -> str:
        assert main(["open-loop", str(tmp_path / "run"), str(data)]) == 0
        return capsys.readouterr().out

    assert "learned from 3 of these 3 episodes" in said(root)
    assert "learned from" not in said(other)
    both = tmp_path / "both"
    Foreign().write(both / "a")
    Foreign(seed=1).write(both / "b")
    edit_info(both / "b", lambda info: info.update(splits={}))
    assert "learned from 3 of these 6 episodes" in said(both)
    (tmp_path / "run/learned_from.json").unlink()
    assert "What the policy learned from is not known here" in said(root)


def test_what_is_trained_on_is_not_held_out_whoever_recorded_it(tmp_path: Path, capsys) -> None:
    root = Foreign().write(tmp_path / "data")
    held_out = Foreign(seed=1, cameras={WRIST: (32, 32), TOP: (48, 64)}).write(tmp_path / "held_out")
    assert _train(root, tmp_path / "run", "--data.held-out", str(root)) == 2
    assert "has 3 of the episodes that are trained on" in capsys.readouterr().err
    assert _train(root, tmp_path / "run", "--data.held-out", str(held_out)) == 0
    said = capsys.readouterr().out
    assert f"Judge it: vla open-loop {tmp_path / 'run'} {held_out}\n" in said
    assert f"vla open-loop {tmp_path / 'run' / 'best'} {held_out}\n" in said
