"""Trainings side by side: all run, all end, whatever happens to one of them or to us."""

import dataclasses
import functools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tqdm import tqdm

from vlasandbox.train import parallel
from vlasandbox.train.log import last_row
from vlasandbox.train.parallel import Job, TrainingError, run_parallel

pytestmark = pytest.mark.slow

UPDATES = 5


def fake_training(folder: Path, mode: str) -> None:
    """Stands in for `train`: writes metrics, a checkpoint when interrupted, and its process id."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pid").write_text(str(os.getpid()))
    if mode == "fails":
        raise ValueError("the loss is not finite at update 3")
    row = last_row(folder / "metrics.jsonl")
    first = int(row["step"] or 0) if row else 0
    try:
        with (folder / "metrics.jsonl").open("a") as file:
            for step in range(1, UPDATES + 1):
                file.write(json.dumps({"step": first + step, "loss": 1.0 / step}) + "\n")
                file.flush()
                time.sleep(0.05 if mode == "ends" else 60.0)
    except KeyboardInterrupt:
        (folder / "checkpoint").touch()
        raise
    (folder / "done").touch()


def jobs(tmp_path: Path, *modes: str) -> list[Job]:
    folders = [tmp_path / f"{i}_{mode}" for i, mode in enumerate(modes)]
    return [
        Job(folder.name, folder, UPDATES, functools.partial(fake_training, folder, mode))
        for folder, mode in zip(folders, modes, strict=True)
    ]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie answers to signal 0; it is no longer running.
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def wait_for(condition, seconds: float = 120.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_more_jobs_than_places_all_end(tmp_path):
    todo = jobs(tmp_path, "ends", "ends", "ends")
    run_parallel(todo, at_once=2)
    assert all((job.folder / "done").exists() for job in todo)


def test_the_rate_of_a_continued_training_is_not_that_of_what_was_done_before(tmp_path, monkeypatch):
    [job] = jobs(tmp_path, "ends")
    job.folder.mkdir()
    (job.folder / "metrics.jsonl").write_text(json.dumps({"step": 100_000, "loss": 1.0}) + "\n")
    rates = []

    class Bar(tqdm):
        def update(self, n: float | None = 1) -> bool | None:
            self.mininterval = 0.0
            shown = super().update(n)
            rates.append(self.format_dict["rate"])
            return shown

    monkeypatch.setattr(parallel, "tqdm", Bar)
    run_parallel([dataclasses.replace(job, updates=100_000 + UPDATES)], at_once=1)
    assert rates
    assert all(abs(rate) < 1000 for rate in rates)


def test_one_failure_is_told_and_the_others_keep_a_checkpoint(tmp_path):
    todo = jobs(tmp_path, "hangs", "fails")
    # The failing one starts only once the hanging one is under way.
    with pytest.raises(TrainingError, match=r"(?s)1_fails.*loss is not finite"):
        run_parallel(todo, at_once=2)
    pid = todo[0].folder / "pid"
    assert not pid.exists() or not alive(int(pid.read_text()))


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_no_training_outlives_us(tmp_path, sent):
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "import test_parallel as t\n"
        "if __name__ == '__main__':\n"
        "    t.run_parallel(t.jobs(Path(sys.argv[2]), 'hangs', 'hangs'), at_once=2)\n"
    )
    path = tmp_path / "main.py"
    path.write_text(script)
    parent = subprocess.Popen(
        [sys.executable, str(path), str(Path(__file__).parent), str(tmp_path)], stderr=subprocess.DEVNULL
    )
    folders = [job.folder for job in jobs(tmp_path, "hangs", "hangs")]
    try:
        assert wait_for(lambda: all((f / "metrics.jsonl").exists() for f in folders))
        parent.send_signal(sent)
        parent.wait(timeout=60)
    finally:
        parent.kill()
    assert wait_for(lambda: all((f / "checkpoint").exists() for f in folders))
    assert wait_for(lambda: not any(alive(int((f / "pid").read_text())) for f in folders))
