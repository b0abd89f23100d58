"""The quickstart, tiny: it can be interrupted, it continues, it keeps what it finished, it reports."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vlasandbox.train.cli import main
from vlasandbox.train.costs import Costs, Trial, about
from vlasandbox.train.machine import Threads
from vlasandbox.train.workflows.quickstart import PRESETS, Layout, Quickstart, QuickstartConfig, plan

pytestmark = pytest.mark.slow

# Two threads that spin while they wait for each other starve on the cores that other tests keep busy.
ENVIRONMENT = {**os.environ, "OMP_WAIT_POLICY": "passive"}
CODE = "import sys; from vlasandbox.train.cli import main; sys.exit(main(sys.argv[1:]))"


def start(out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CODE, "quickstart", "--smoke", "--out", str(out)]
    return subprocess.Popen(
        command,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def stop(quickstart: subprocess.Popen[str], when: Path) -> tuple[int, str]:
    """Ctrl-C, as a terminal sends it to the whole group, as soon as the file `when` exists."""
    deadline = time.monotonic() + 300
    while not when.exists():
        assert time.monotonic() < deadline, f"{when} never came"
        assert quickstart.poll() is None, quickstart.communicate()[1]
        time.sleep(0.05)
    os.killpg(quickstart.pid, signal.SIGINT)
    _, errors = quickstart.communicate(timeout=120)
    return quickstart.returncode, errors


@pytest.mark.timeout(900)
def test_an_interrupted_quickstart_continues_to_its_report(tmp_path, capsys):
    out = tmp_path / "quickstart"

    status, errors = stop(start(out), when=out / PRESETS[0] / "config.json")
    assert status == 130, errors
    assert "same command continues" in errors
    assert "Traceback" not in errors
    group_is_gone = subprocess.run(["pgrep", "-f", str(out)], capture_output=True).returncode == 1
    assert group_is_gone

    first = start(out)
    output, errors = first.communicate()
    assert first.returncode == 0, errors
    assert "smoke run" in output
    assert str(out / "report.html") in output
    report = json.loads((out / "report.json").read_text())
    assert set(report["policies"]) == set(PRESETS)
    for policy in report["policies"].values():
        for condition in ("test", "swapped_instruction", "blank_image"):
            assert policy[condition]["episodes"] == 2
            low, high = policy[condition]["interval"]
            assert 0 <= low <= high <= 1
        assert policy["training"]["updates"] == 4
        assert policy["training"]["demonstrations"] == 4
        assert policy["training"]["cpu_seconds"] > 0
        assert policy["chunk_ms"]["p50"] > 0
    assert report["expert"]["episodes"] == 2

    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert main(["quickstart", "--smoke", "--out", str(out)]) == 0
    assert "pick_flow" in capsys.readouterr().out
    changed = [
        path for path, written in before.items() if path.name != "lock" and path.stat().st_mtime_ns != written
    ]
    assert not changed, f"written again: {changed}"


def test_a_folder_with_another_budget_is_refused(tmp_path, capsys):
    (tmp_path / "quickstart.json").write_text('{"episodes": 300, "updates": 3000}')
    assert main(["quickstart", "--out", str(tmp_path), "--updates", "5000"]) == 2
    message = capsys.readouterr().err
    assert "5000" in message
    assert "3000" in message


COSTS = Costs(
    control_step=0.01,
    demonstration=0.25,  # pick may take 40 control steps
    trials={"flow": Trial(Threads(1, {1: 0.1}), update=0.1, answer=0.004)},
)


def test_the_plan_names_every_step_and_the_budget(tmp_path):
    quickstart = Quickstart(QuickstartConfig(), tmp_path, Layout(cores=2, gpu=False))
    text = plan(quickstart, quickstart.steps(), None)
    assert "about" not in text, "nothing was measured"
    for word in (
        "1000 demonstrations",
        "1000 updates",
        "2 at a time",
        "pick_tokens",
        "blank image",
        "report",
    ):
        assert word in text


def test_the_plan_tells_what_was_measured_and_a_shorter_way(tmp_path):
    quickstart = Quickstart(QuickstartConfig(), tmp_path, Layout(cores=2, gpu=False))
    steps = quickstart.steps()
    text = plan(quickstart, steps, COSTS)
    recorded, trained, _, judged, *_, reported = (step.seconds(COSTS) for step in steps)
    assert recorded == pytest.approx(1000 * 10 * 0.01 / 2)
    assert trained == pytest.approx(4 * 1000 * 0.1 / 2)
    # 12 control steps and 3 answers where it succeeds; twice 40 and 10 in the controls.
    assert judged == pytest.approx(100 * (92 * 0.01 + 23 * 0.004) / 2)
    assert about(trained) in text
    total = sum(step.seconds(COSTS) for step in steps)
    assert about(total).capitalize() in text
    assert "--updates 250" in text
    assert about(total - 0.75 * trained) in text
    assert reported > 0


def test_the_trunks_start_from_a_trained_policy_if_asked(tmp_path):
    layout = Layout(cores=2, gpu=False)
    for source in (None, "packaged"):
        quickstart = Quickstart(QuickstartConfig(trunk_from=source), tmp_path, layout)
        assert {config.trunk_from for config in quickstart.trainings().values()} == {source}


def test_updates_that_are_done_are_not_expected_again(tmp_path):
    quickstart = Quickstart(QuickstartConfig(updates=1000), tmp_path, Layout(cores=2, gpu=False))
    (tmp_path / PRESETS[0]).mkdir()
    (tmp_path / PRESETS[0] / "metrics.jsonl").write_text('{"step": 400, "loss": 1.0}\n')
    assert quickstart.training_seconds(COSTS) == pytest.approx((600 + 3 * 1000) * 0.1 / 2)


@pytest.mark.parametrize(
    ("layout", "at_once", "threads"),
    [
        (Layout(1, False), 1, 1),
        (Layout(2, False), 2, 1),
        (Layout(8, False), 4, 2),
        (Layout(16, True), 1, 16),
    ],
)
def test_trainings_share_the_cores_and_queue_for_the_gpu(layout, at_once, threads):
    assert (layout.at_once, layout.most_threads) == (at_once, threads)
