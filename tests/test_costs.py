"""What is measured of a training, its demonstrations and its evaluations, and what follows from that."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vlasandbox.envs.config import EnvConfig
from vlasandbox.train import costs
from vlasandbox.train.costs import Costs, Trial, about, as_measured, kind, measure
from vlasandbox.train.evaluation import EvalConfig
from vlasandbox.train.machine import Threads
from vlasandbox.train.presets import debug
from vlasandbox.train.recording.record import RecordConfig

CONFIG = debug.config(Path("data"))
RECORD = RecordConfig(Path("data"), 100)
TRIAL = Trial(Threads(1, {1: 0.5}), update=0.5, answer=0.02)


def test_a_little_of_everything_is_measured_and_nothing_is_left_behind(monkeypatch, tmp_path):
    monkeypatch.setattr(costs, "usable_cores", lambda: 1)
    monkeypatch.setattr(costs, "BUDGET", math.inf)
    monkeypatch.setattr(costs.tempfile, "tempdir", str(tmp_path))
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    other = replace(CONFIG, batch_size=2)
    found = measure([(CONFIG, RECORD), (replace(CONFIG, seed=1), RECORD), (other, RECORD)], at_once=1)
    assert found.trials.keys() == {kind(CONFIG), kind(other)}
    assert found.control_step > 0
    assert 0 < found.demonstration < 1
    for trial in found.trials.values():
        assert trial.update > 0
        assert trial.answer > 0
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    assert list(tmp_path.glob("tmp*")) == []


def test_when_time_is_up_the_rest_is_taken_for_the_mean_of_what_was_measured(monkeypatch):
    monkeypatch.setattr(costs, "usable_cores", lambda: 1)
    monkeypatch.setattr(costs, "BUDGET", 0.0)
    other = replace(CONFIG, batch_size=2)
    found = measure(
        [(CONFIG, RECORD), (other, RECORD), (other, replace(RECORD, env=EnvConfig("toss")))], at_once=1
    )
    assert found.trials.keys() == {kind(CONFIG)}
    assert found.update(other) == found.update(CONFIG)


def test_trainings_that_cost_the_same_are_of_one_kind():
    same = [
        replace(CONFIG, seed=3, updates=9),
        replace(CONFIG, data=replace(CONFIG.data, root=Path("elsewhere"))),
        replace(CONFIG, optim=replace(CONFIG.optim, lr=0.5)),
    ]
    assert {kind(config) for config in same} == {kind(CONFIG)}
    others = [replace(CONFIG, batch_size=8), replace(CONFIG, data=replace(CONFIG.data, chunk=2))]
    assert kind(CONFIG) not in {kind(config) for config in others}


def test_an_estimate_follows_the_length_of_episodes():
    found = Costs(
        control_step=0.01,
        demonstration=0.25,
        trials={kind(CONFIG): TRIAL, "slow": replace(TRIAL, update=1.5)},
    )
    # pick may take 4 s, 40 control steps at 10 Hz.
    assert found.recording(RECORD) == pytest.approx(100 * 10 * 0.01)
    assert found.recording(replace(RECORD, env=EnvConfig(control_hz=20.0)), 10) == pytest.approx(
        10 * 20 * 0.01
    )
    evaluation = EvalConfig(episodes=50, execution_horizon=2)
    assert found.evaluation(evaluation, (CONFIG, RECORD)) == pytest.approx(50 * 12 * (0.01 + 0.01))
    assert found.evaluation(evaluation, (CONFIG, RECORD), fails=True) == pytest.approx(
        50 * 40 * (0.01 + 0.01)
    )
    assert found.update(CONFIG) == 0.5
    assert found.update(replace(CONFIG, batch_size=8)) == pytest.approx(1.0), "the mean of what was measured"


@pytest.mark.parametrize(("load", "said"), [(0.2, "as measured here"), (9.0, "load 9.0")])
def test_an_estimate_says_among_what_it_was_measured(monkeypatch, load, said):
    monkeypatch.setattr(costs, "usable_cores", lambda: 2)
    monkeypatch.setattr(costs.os, "getloadavg", lambda: (load, load, load))
    assert said in as_measured()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "about 1 s"),
        (89.0, "about 89 s"),
        (90.0, "about 2 min"),
        (720.0, "about 12 min"),
        (12600.0, "about 3.5 h"),
    ],
)
def test_times_are_told_in_round_numbers(seconds, said):
    assert about(seconds) == said
