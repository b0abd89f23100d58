"""Looks at a training while it goes on: what they measure, and that the training never notices."""

import json
import os
import shutil
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import pytest
import torch
from synthetic_episodes import write_dataset
from training_runs import assert_equal, record, rows, weights

from vlasandbox.envs.config import EnvConfig
from vlasandbox.policies.policy import Policy
from vlasandbox.train import periodic, summary
from vlasandbox.train.checkpoint import Progress
from vlasandbox.train.cli import main
from vlasandbox.train.config import TrainConfig
from vlasandbox.train.data.windows import WindowSampler
from vlasandbox.train.evaluation import eval_target, learned_tasks
from vlasandbox.train.loop import train
from vlasandbox.train.presets import debug
from vlasandbox.train.recording.record import RecordConfig
from vlasandbox.train.recording.record import record as record_demonstrations

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "dataset"
    record(root, range(5))
    return root


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "held_out"
    record(root, range(100, 103))
    return root


@dataclass
class Judged:
    """As much of an evaluation's result as a look needs."""

    task: str
    successes: int
    episodes: list[None]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Success rates of the evaluations, one after the other, in place of playing; nan raises."""
    rates: list[float] = []

    def judged(self: periodic.Periodic, policy: Policy, task: str) -> Judged:
        assert not policy.training
        episodes, rate = self._config.eval_episodes, rates.pop(0)
        return Judged(task, round(rate * episodes), [None] * episodes)

    monkeypatch.setattr(periodic.Periodic, "_evaluated", judged)
    monkeypatch.setattr(periodic.Periodic, "_filmed", lambda self, result, step: None)
    return rates


def watched(data: Path, held_out: Path | None = None, **changes: Any) -> TrainConfig:
    """Six updates; what else is asked for."""
    config = debug.config(data, updates=6)
    return replace(config, data=replace(config.data, held_out=held_out), **changes)


def best(out: Path) -> dict[str, Any]:
    return json.loads((out / "best" / "summary.json").read_text())


def looks(out: Path) -> list[tuple[float, ...]]:
    """Step, success and held-out loss of every row with a look."""
    found = [row for row in rows(out) if "success" in row]
    return [(row["step"], row["success"], row["held_out_loss"]) for row in found]


def stop_in_update(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    original, calls = Policy.loss, [0]

    def loss(self: Policy, *args: Any, **kwargs: Any) -> Any:
        calls[0] += self.training
        if self.training and calls[0] == number:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Policy, "loss", loss)


@pytest.mark.parametrize("stopped", ["after a look", "between looks", "while looking"])
def test_a_training_is_the_same_with_and_without_looks_and_when_resumed(
    data, held_out, tmp_path, scripted, monkeypatch, stopped
):
    config = watched(data, held_out, eval_every=2, eval_episodes=4, checkpoint_every=3)
    train(watched(data), tmp_path / "plain", bar=False)
    scripted += [0.25, 0.75, 0.5]
    train(config, tmp_path / "whole", bar=False)
    with monkeypatch.context() as patch:
        if stopped == "while looking":
            scripted += [0.25, float("nan")]
            with pytest.raises(ValueError, match="NaN"):
                train(config, tmp_path / "parts", bar=False)
            scripted += [0.75, 0.5]
        else:
            stop_in_update(patch, 4 if stopped == "after a look" else 5)
            scripted += [0.25, 0.75]
            with pytest.raises(KeyboardInterrupt):
                train(config, tmp_path / "parts", bar=False)
            scripted += [0.5]
    train(config, tmp_path / "parts", bar=False)

    assert not scripted
    assert_equal(weights(tmp_path / "plain"), weights(tmp_path / "whole"))
    assert_equal(weights(tmp_path / "plain"), weights(tmp_path / "parts"))
    assert_equal(weights(tmp_path / "whole" / "best"), weights(tmp_path / "parts" / "best"))
    assert best(tmp_path / "whole")["best"] == best(tmp_path / "parts")["best"]
    assert looks(tmp_path / "whole") == looks(tmp_path / "parts")
    assert [look[:2] for look in looks(tmp_path / "whole")] == [(2, 0.25), (4, 0.75), (6, 0.5)]


def test_the_best_is_kept_and_is_like_a_run(data, tmp_path, scripted):
    scripted += [0.5, 1.0, 0.75]
    train(watched(data, eval_every=2, eval_episodes=4), tmp_path / "run", bar=False)
    found = best(tmp_path / "run")
    assert found["updates"] == 4
    assert found["best"] == {"episodes": 4, "success": 1.0}
    assert learned_tasks(eval_target(str(tmp_path / "run" / "best"))) == ["pick"]
    early, late = (Policy.load(tmp_path / "run" / part / "policy") for part in ("best", "."))
    pairs = zip(early.parameters(), late.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)
    assert main(["export", str(tmp_path / "run" / "best"), "--out", str(tmp_path / "exported")]) == 0


@pytest.mark.parametrize(("losses", "updates"), [([3.0, 1.0, 2.0], 4), ([5.0, 5.0, 5.0], 6)])
def test_of_equally_successful_ones_the_lower_loss_is_the_best_and_then_the_later(
    data, held_out, tmp_path, scripted, monkeypatch, losses, updates
):
    monkeypatch.setattr(periodic.Periodic, "_held_out_loss", lambda *_: {"held_out_loss": losses.pop(0)})
    scripted += [0.5] * 3
    train(watched(data, held_out, eval_every=2, eval_episodes=4), tmp_path, bar=False)
    assert best(tmp_path)["updates"] == updates


def test_the_held_out_loss_alone_is_seen_at_every_checkpoint_and_says_which_is_best(data, held_out, tmp_path):
    train(watched(data, held_out), tmp_path / "run", bar=False)
    seen = {row["step"]: row["held_out_loss"] for row in rows(tmp_path / "run") if "held_out_loss" in row}
    assert list(seen) == [2, 4, 6]
    assert all("success" not in row for row in rows(tmp_path / "run"))
    assert best(tmp_path / "run")["updates"] == min(seen, key=lambda step: (seen[step], -step))
    # It is of the data that is held out, not of that which is trained on.
    record(tmp_path / "other", range(200, 203))
    train(watched(data, tmp_path / "other"), tmp_path / "again", bar=False)
    again = {row["step"]: row["held_out_loss"] for row in rows(tmp_path / "again") if "held_out_loss" in row}
    assert not set(seen.values()) & set(again.values())


def test_nothing_is_loaded_or_kept_where_nothing_is_asked_for(data, tmp_path, monkeypatch):
    monkeypatch.setattr(Policy, "load", lambda *_: pytest.fail("looked"))
    train(watched(data), tmp_path, bar=False)
    assert not (tmp_path / "best").exists()


def test_time_of_looks_is_not_time_of_the_training(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(summary, "_now", lambda: (now[0], 2 * now[0]))
    sampler = WindowSampler.__new__(WindowSampler)
    sampler.wait_seconds = 0.0
    clock = summary.Clock(Progress(0, 1, 100.0, 200.0, 0.0, ""), sampler)
    now[0] = 5.0
    with clock.paused():
        now[0] = 65.0
        assert (clock.progress(1).wall_seconds, clock.progress(1).cpu_seconds) == (105.0, 210.0)
    now[0] = 66.0
    assert (clock.progress(2).wall_seconds, clock.progress(2).cpu_seconds) == (106.0, 212.0)


def test_looks_may_be_changed_when_a_run_is_resumed(data, held_out, tmp_path, scripted, monkeypatch):
    with monkeypatch.context() as patch:
        stop_in_update(patch, 3)
        with pytest.raises(KeyboardInterrupt):
            train(watched(data), tmp_path, bar=False)
    scripted += [0.5, 0.5]
    train(watched(data, held_out, eval_every=2, eval_episodes=2), tmp_path, bar=False)
    assert [look[0] for look in looks(tmp_path)] == [4, 6]


@pytest.mark.parametrize(
    ("seeds", "message"),
    [(range(4, 8), "has 1 of the episodes .* such as seed 4"), (range(5), "has 5 of the")],
)
def test_what_is_trained_on_is_not_held_out(data, tmp_path, seeds, message):
    record(tmp_path / "same", seeds)
    with pytest.raises(ValueError, match=message):
        train(watched(data, tmp_path / "same"), tmp_path / "run", bar=False)


def test_data_that_shows_something_else_is_not_held_out(data, tmp_path):
    write_dataset(tmp_path / "other", seeds=(500, 501, 502))
    document = tmp_path / "other" / "meta" / "vlasandbox.json"
    ours = json.loads(document.read_text())
    ours["spec"]["robot"] = "so101_like"
    del ours["sha256"]
    document.write_text(json.dumps(ours))
    with pytest.raises(ValueError, match=r"does not fit .*robot: 'so101_like' there, 'franka' here"):
        train(watched(data, tmp_path / "other"), tmp_path / "run", bar=False)


def test_success_needs_a_task(data, tmp_path):
    shutil.copytree(data, tmp_path / "foreign")
    (tmp_path / "foreign" / "meta" / "vlasandbox.json").unlink()
    with pytest.raises(ValueError, match=r"do not name it, as only vla record's do: leave eval_every at 0"):
        train(watched(tmp_path / "foreign", eval_every=2), tmp_path / "run", bar=False)


@pytest.mark.parametrize("change", [{"eval_every": -1}, {"eval_episodes": 0}])
def test_impossible_looks_are_refused(data, change):
    with pytest.raises(ValueError, match=next(iter(change))):
        watched(data, **change)


def test_real_episodes_of_two_tasks_are_played_and_filmed(tmp_path, capsys):
    for task in ("pick", "reach"):
        record_demonstrations(RecordConfig(tmp_path / "data" / task, 2, EnvConfig(task), workers=1))
    run = tmp_path / "run"
    flags = ["--data", str(tmp_path / "data"), "--out", str(run), "--updates", "4"]
    assert main(["train", "debug", *flags, "--eval-every", "2", "--eval-episodes", "2"]) == 0
    found = [row for row in rows(run) if "success" in row]
    assert [row["step"] for row in found] == [2, 4]
    for row in found:
        assert row["success"] == (row["success_pick"] + row["success_reach"]) / 2
    videos = sorted((run / "videos").iterdir())
    assert [path.name for path in videos] == ["000002-reach.mp4", "000004-pick.mp4"]
    with av.open(str(videos[1])) as container:
        assert sum(1 for _ in container.decode(video=0)) > 10
    assert f"vla eval {run / 'best'}" in capsys.readouterr().out
