"""One policy on several tasks: the table, and the whole way once, as small as it can be."""

import json
from collections.abc import Sequence

import pytest
from made_up_results import result

from vlasandbox.envs import tasks
from vlasandbox.eval.compare.comparison import compare
from vlasandbox.eval.compare.suite import suite_table
from vlasandbox.eval.report.suite import write_suite
from vlasandbox.train.costs import Costs, Planned, Trial
from vlasandbox.train.machine import Threads
from vlasandbox.train.recording.record import RecordConfig
from vlasandbox.train.workflows import suite
from vlasandbox.train.workflows.suite import SuiteConfig, run_suite

pytestmark = pytest.mark.slow


def _comparison(task: str, outcomes: str):
    one = result("flow", outcomes)
    one.task = task
    return compare([one])


def test_the_table_has_a_row_for_each_task_and_one_for_all():
    table = suite_table([_comparison("pick", "ssss"), _comparison("stack", "sfff")]).aligned()
    rows = [line.split() for line in table.splitlines()]
    assert rows[0] == ["task", "flow"]
    assert rows[2][:2] == ["pick", "4/4"]
    assert rows[3][:2] == ["stack", "1/4"]
    assert rows[4][:2] == ["all", "5/8"]


def test_the_summary_is_written_as_text_and_json(tmp_path):
    path = write_suite(tmp_path, [_comparison("pick", "ss"), _comparison("stack", "sf")])
    assert "1/2" in path.read_text()
    stored = json.loads((tmp_path / "suite.json").read_text())
    assert stored["stack"]["policies"]["flow"]["test"]["successes"] == 1


def test_several_tasks_are_named_with_a_plus():
    assert tasks.expand("pick+pick") == ["pick", "pick"]
    assert "pick" in tasks.expand("suite")
    with pytest.raises(ValueError, match="unknown task 'juggle'"):
        tasks.expand("pick+juggle")


def test_a_suite_is_recorded_trained_and_judged_and_the_same_call_repeats_nothing(tmp_path, capsys):
    config = SuiteConfig("pick+toss", "debug", episodes=2, updates=2, test_episodes=1)
    summary = run_suite(config, tmp_path)
    weights = tmp_path / "debug" / "policy" / "model.safetensors"
    before = weights.stat().st_mtime_ns
    assert run_suite(config, tmp_path) == summary
    assert weights.stat().st_mtime_ns == before
    assert "toss" in capsys.readouterr().out, "whose actions have limits of their own"
    assert (tmp_path / "report" / "toss" / "report.html").exists()


def test_the_suite_tells_first_what_it_costs_here(tmp_path, monkeypatch):
    measured = []

    def measure(trainings: Sequence[Planned], updates_left: int, at_once: int) -> Costs:
        measured.extend(recording.env.task for _, recording in trainings)
        return Costs(0.01, 0.25, {"any": Trial(Threads(1, {1: 0.3}), update=0.3, answer=0.0)})

    def stop(config: RecordConfig) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(suite, "measure_if_long", measure)
    monkeypatch.setattr(suite, "usable_cores", lambda: 1)
    monkeypatch.setattr(suite, "record", stop)
    said = []
    monkeypatch.setattr("builtins.print", lambda text, **_: said.append(text))
    with pytest.raises(KeyboardInterrupt):
        run_suite(SuiteConfig("sort+pick+place", updates=20_000), tmp_path)
    assert measured == ["pick", "sort"], "the shortest and the longest"
    assert "about 1.7 h to train" in said[0]
    assert "--updates 5000" in said[0]
