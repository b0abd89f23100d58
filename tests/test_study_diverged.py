"""A training that diverges is a result of its study: noted, told, and never tried again."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_runs import MadeUp, report, without_runs
from tiny_study import CHUNKS, NAMED, STUDY

from vlasandbox.train.data.files import read_json, write_json
from vlasandbox.train.parallel import Job
from vlasandbox.train.recording.record import record
from vlasandbox.train.study import Factor, results
from vlasandbox.train.study.cell import CellRun
from vlasandbox.train.study.manifest import open_manifest
from vlasandbox.train.study.ray_backend import _run
from vlasandbox.train.study.runner import run_study

RATES = replace(
    STUDY,
    factors=[Factor("lr", {"fine": {"train.optim.lr": 1e-3}, "huge": {"train.optim.lr": 1e30}})],
    seeds=2,
)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    return without_runs(monkeypatch)


class Diverging(MadeUp):
    """Runs jobs, of which those with some names diverge."""

    def __init__(self, *diverging: str) -> None:
        super().__init__()
        self._diverging = diverging

    def __call__(self, jobs: Sequence[Job], at_once: int) -> None:
        for job in jobs:
            if job.name in self._diverging:
                self.names.append(job.name)
                job.folder.mkdir(parents=True)
                write_json(job.folder / "diverged.json", {"update": 2, "message": "loss inf"})
        super().__call__([job for job in jobs if job.name not in self._diverging], at_once)


def test_a_training_that_diverges_is_noted_and_done(tmp_path: Path):
    study = replace(RATES, seeds=1)
    [_, cell] = study.cells()
    work = CellRun(cell, tmp_path, {})
    record(replace(cell.point.record, root=work.data))
    open_manifest(study, tmp_path, auto="fp32", finished=False)
    assert _run(work.job()) is None, "no failure, in a task of Ray either"
    assert work.done()
    assert not work.trained
    note = read_json(work.folder / "diverged.json")
    assert note["update"] == work.diverged == 2
    assert note["message"].startswith("update 2 has loss ")


@pytest.mark.usefixtures("made_up")
def test_the_study_goes_on_and_tells_it_and_does_not_try_again(tmp_path: Path, capsys):
    runner = Diverging("lr=huge,seed=0")
    run_study(RATES, tmp_path, run_jobs=runner)
    assert len(runner.names) == 4
    assert report(tmp_path)["results"] == 3 * len(NAMED)
    assert report(tmp_path)["protocol"]["diverged"] == "lr=huge,seed=0 at update 2 of 2"
    capsys.readouterr()
    again = MadeUp()
    run_study(RATES, tmp_path, run_jobs=again)
    assert again.names == []
    assert "3 trainings (3 done; 1 more diverged)" in capsys.readouterr().out


@pytest.mark.usefixtures("made_up")
def test_a_level_at_which_the_training_diverges_is_never_chosen(tmp_path: Path):
    study = replace(RATES, factors=[CHUNKS, *RATES.factors], sweep="lr", validation_episodes=2)
    run_study(study, tmp_path / "without", run_jobs=MadeUp())
    assert read_json(tmp_path / "without" / "tuning.json") == {
        "chunk=4": "fine",
        "chunk=8": "fine",
    }  # as good
    run_study(study, tmp_path / "with", run_jobs=Diverging("chunk=8,lr=fine,seed=0"))
    assert read_json(tmp_path / "with" / "tuning.json") == {"chunk=4": "fine", "chunk=8": "huge"}


@pytest.mark.usefixtures("made_up")
def test_a_cell_of_which_nothing_is_left_is_not_filmed(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(results, "film_study", lambda summary, folder, shown: shown)
    study = replace(RATES, videos=({"lr": "fine"}, {"lr": "huge"}))
    run_study(study, tmp_path, run_jobs=Diverging("lr=huge,seed=0", "lr=huge,seed=1"))
    assert report(tmp_path)["clips"] == [{"lr": "fine"}]


@pytest.mark.usefixtures("made_up")
def test_a_study_of_which_nothing_is_left_says_so(tmp_path: Path):
    runner = Diverging(*(cell.name for cell in RATES.cells()))
    with pytest.raises(ValueError, match=r"no training is left to compare, all diverged: lr=fine,seed=0 at"):
        run_study(RATES, tmp_path / "compared", run_jobs=runner)
    study = replace(RATES, factors=[CHUNKS, *RATES.factors], sweep="lr", validation_episodes=2)
    runner = Diverging("chunk=8,lr=fine,seed=0", "chunk=8,lr=huge,seed=0")
    with pytest.raises(ValueError, match=r"^chunk=8 diverged at every level of 'lr'"):
        run_study(study, tmp_path / "tuned", run_jobs=runner)
