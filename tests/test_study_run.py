"""Running a study: what is done in which order, what is never done twice, and what is never mixed.

Most of it with cells that take no time: `made_up` leaves behind what a training and its evaluations do.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_runs import MadeUp, report, without_runs
from tiny_study import CHUNKS, NAMED, STUDY

from vlasandbox.envs.seeds import VALIDATION
from vlasandbox.eval.result import EvalResult
from vlasandbox.train import costs
from vlasandbox.train.costs import Costs, Planned, Trial
from vlasandbox.train.data.files import read_json, write_json
from vlasandbox.train.machine import Choice, Threads
from vlasandbox.train.parallel import Job, TrainingError
from vlasandbox.train.study import Factor, Study, estimate, manifest
from vlasandbox.train.study import results as study_results
from vlasandbox.train.study.cell import CellRun, run_cell
from vlasandbox.train.study.runner import run_study

SWEEP = replace(
    STUDY,
    factors=[CHUNKS, Factor("lr", {"low": {"train.optim.lr": 1e-4}, "high": {"train.optim.lr": 1e-3}})],
    seeds=2,
    sweep="lr",
    validation_episodes=2,
)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    return without_runs(monkeypatch)


def test_a_tuned_axis_is_swept_once_and_each_cell_goes_on_with_its_best_level(tmp_path, made_up):
    run_study(SWEEP, tmp_path, run_jobs=made_up)
    swept = [f"chunk={k},lr={lr},seed=0" for k in (4, 8) for lr in ("low", "high")]
    assert made_up.names[:4] == swept
    # At equal success the first level counts; swept cells are only evaluated.
    assert sorted(made_up.names[4:]) == [f"chunk={k},lr=low,seed={seed}" for k in (4, 8) for seed in (0, 1)]
    assert read_json(tmp_path / "tuning.json") == {"chunk=4": "low", "chunk=8": "low"}
    validated = EvalResult.load(next((tmp_path / "cells" / swept[0] / "eval").glob("*validation*/test")))
    assert [episode.seed for episode in validated.episodes] == list(VALIDATION[:2])
    assert report(tmp_path)["results"] == 2 * 2 * len(NAMED)
    assert report(tmp_path)["protocol"]["tuned"] == "lr"
    again = MadeUp()
    run_study(SWEEP, tmp_path, run_jobs=again)
    assert again.names == []


def test_only_what_is_missing_is_done(tmp_path, made_up):
    run_study(STUDY, tmp_path, run_jobs=made_up)
    gone = tmp_path / "cells" / "chunk=8,seed=0" / "eval" / "pick" / "blank_image" / "result.json"
    gone.unlink()
    made_up.names.clear()
    run_study(STUDY, tmp_path, run_jobs=made_up)
    assert made_up.names == ["chunk=8,seed=0"]


def test_a_finished_study_is_summed_up_by_other_code_and_an_unfinished_one_is_refused(
    tmp_path, made_up, monkeypatch
):
    run_study(STUDY, tmp_path, run_jobs=made_up)
    made_by = manifest.code_fingerprint()
    assert report(tmp_path)["protocol"]["code"] == made_by[:12]
    assert (report(tmp_path)["experts"], report(tmp_path)["clips"]) == (["expert"], ["clip"])
    made_up.names.clear()
    for module in (manifest, study_results):
        monkeypatch.setattr(module, "code_fingerprint", lambda: "0" * 64)
    (tmp_path / "results.json").unlink()
    run_study(STUDY, tmp_path, run_jobs=made_up)
    assert report(tmp_path)["protocol"]["code"] == made_by[:12]
    assert (report(tmp_path)["experts"], report(tmp_path)["clips"]) == ([], []), "nothing new is played"

    for path in tmp_path.glob("cells/*/eval/pick/test/result.json"):
        path.unlink()
        with pytest.raises(ValueError, match="another version of the code or of a package"):
            run_study(STUDY, tmp_path, run_jobs=made_up)
        break
    assert made_up.names == []


def test_a_process_with_other_code_or_without_the_folder_does_nothing(tmp_path, made_up, monkeypatch):
    run_study(STUDY, tmp_path / "here", run_jobs=made_up)
    [cell, _] = STUDY.cells()
    with pytest.raises(
        ValueError, match=r"cannot see .*study\.json: --out must be a folder that all machines"
    ):
        run_cell(CellRun(cell, tmp_path / "elsewhere", {}))
    monkeypatch.setattr(manifest, "code_fingerprint", lambda: "0" * 64)
    with pytest.raises(ValueError, match="another version of the code"):
        run_cell(CellRun(cell, tmp_path / "here", {}))


def test_a_folder_holds_one_study_and_says_what_differs(tmp_path, made_up):
    run_study(STUDY, tmp_path, run_jobs=made_up)
    with pytest.raises(ValueError, match=r"holds a different study.*question"):
        run_study(replace(STUDY, question="What else?"), tmp_path, run_jobs=made_up)
    base = replace(STUDY.base, train=replace(STUDY.base.train, updates=3))
    with pytest.raises(ValueError, match="chunk=4,seed=0: updates is 2 there and 3 here"):
        run_study(replace(STUDY, base=base), tmp_path, run_jobs=made_up)
    other = Factor("chunk", {4: CHUNKS.levels[4], 6: {"train.data.chunk": 6}})
    with pytest.raises(ValueError, match="the cells are not the same"):
        run_study(replace(STUDY, factors=[other]), tmp_path, run_jobs=made_up)


def test_a_study_may_grow_and_tells_what_was_asked_later(tmp_path, made_up, monkeypatch):
    run_study(STUDY, tmp_path, run_jobs=made_up)
    assert "added later, with the other results known" not in report(tmp_path)["protocol"]
    swapped = {"evaluation.episodes": 2, "condition": "swapped_instruction"}
    more = replace(STUDY, evaluations={**NAMED, "swapped": swapped})
    made_up.names.clear()
    run_study(more, tmp_path, run_jobs=made_up)
    assert made_up.names == ["chunk=4,seed=0", "chunk=8,seed=0"]
    run_study(replace(more, seeds=2), tmp_path, run_jobs=made_up)
    assert made_up.names[2:] == ["chunk=4,seed=1", "chunk=8,seed=1"]
    said = "swapped; chunk=4,seed=1; chunk=8,seed=1"
    assert report(tmp_path)["protocol"]["added later, with the other results known"] == said
    with pytest.raises(ValueError, match="holds a different study"):
        run_study(STUDY, tmp_path, run_jobs=made_up)
    monkeypatch.setattr(manifest, "code_fingerprint", lambda: "0" * 64)
    with pytest.raises(ValueError, match="another version of the code"):
        run_study(replace(more, seeds=3), tmp_path, run_jobs=made_up)


def test_a_study_begun_under_former_names_is_the_same_study(tmp_path, made_up):
    run_study(SWEEP, tmp_path, run_jobs=made_up)
    stored = read_json(tmp_path / "study.json")
    for now, before in (("evaluations", "judged"), ("sweep", "tune")):
        stored["study"][before] = stored["study"].pop(now)
    for cell in stored["study"]["cells"].values():
        cell["exam"] = cell.pop("evaluation")
    for changes in stored["study"]["judged"].values():
        for path in [path for path in changes if path.startswith("evaluation.")]:
            changes[path.replace("evaluation", "exam", 1)] = changes.pop(path)
    assert "evaluation" not in json.dumps(stored["study"])
    write_json(tmp_path / "study.json", stored)
    made_up.names.clear()
    run_study(SWEEP, tmp_path, run_jobs=made_up)
    assert made_up.names == []
    with pytest.raises(ValueError, match="holds a different study"):
        run_study(replace(SWEEP, validation_episodes=3), tmp_path, run_jobs=made_up)


def test_a_file_of_the_version_with_exams_and_axes_is_of_the_same_study(tmp_path):
    shutil.copy(Path(__file__).parent / "data" / "study_with_exams.json", tmp_path / "study.json")
    lr = Factor("lr", {0.001: {"train.optim.lr": 1e-3}, "high": {"train.optim.lr": 1e-2}})
    evaluations = {**NAMED, "2 late": {"evaluation.inference_delay": 2}}
    study = replace(STUDY, factors=[CHUNKS, lr], sweep="lr", evaluations=evaluations)
    assert manifest.open_manifest(study, tmp_path, auto="fp32", finished=True) == "0" * 64
    other = replace(study, evaluations={**evaluations, "2 late": {"evaluation.inference_delay": 3}})
    with pytest.raises(ValueError, match=r"evaluation\.inference_delay"):
        manifest.open_manifest(other, tmp_path, auto="fp32", finished=True)


def test_a_study_begun_before_a_field_was_added_is_the_same_study(tmp_path, made_up):
    run_study(STUDY, tmp_path, run_jobs=made_up)
    stored = read_json(tmp_path / "study.json")
    for cell in stored["study"]["cells"].values():
        del cell["condition"], cell["train"]["data"]["history"], cell["evaluation"]["rtc"]
    write_json(tmp_path / "study.json", stored)
    made_up.names.clear()
    run_study(STUDY, tmp_path, run_jobs=made_up)
    assert made_up.names == [], "nothing is done again"


def follows_the_machine(study: Study) -> Study:
    return replace(study, base=replace(study.base, train=replace(study.base.train, precision="auto")))


def test_a_study_keeps_the_precision_that_auto_was_when_it_began(tmp_path, made_up, monkeypatch):
    study = follows_the_machine(STUDY)
    monkeypatch.setattr(manifest, "choose_precision", lambda device: Choice("bf16", "the test says so"))
    run_study(study, tmp_path, run_jobs=made_up)
    monkeypatch.setattr(manifest, "choose_precision", lambda device: Choice("fp32", "another machine"))
    run_study(replace(study, seeds=2), tmp_path, run_jobs=made_up)
    assert made_up.precisions == ["bf16"] * 4
    stored = read_json(tmp_path / "study.json")
    assert {cell["train"]["precision"] for cell in stored["study"]["cells"].values()} == {"bf16"}
    assert report(tmp_path)["protocol"]["precision"] == "bf16"
    base = replace(study.base, train=replace(study.base.train, precision="fp32"))
    with pytest.raises(ValueError, match="precision is 'bf16' there and 'fp32' here"):
        run_study(replace(study, base=base, seeds=2), tmp_path, run_jobs=made_up)


def test_a_study_from_before_auto_goes_on_in_the_default_of_its_time(tmp_path, made_up, monkeypatch):
    study = follows_the_machine(STUDY)
    monkeypatch.setattr(manifest, "choose_precision", lambda device: Choice("bf16", "the test says so"))
    run_study(study, tmp_path, run_jobs=made_up)
    stored = read_json(tmp_path / "study.json")
    del stored["auto_precision"]
    write_json(tmp_path / "study.json", stored)
    monkeypatch.setattr(manifest, "choose_precision", lambda device: Choice("fp32", "another machine"))
    made_up.names.clear()
    run_study(study, tmp_path, run_jobs=made_up)
    assert made_up.names == [], "nothing is done again"


def test_demonstrations_that_were_exchanged_are_noticed(tmp_path, made_up):
    run_study(STUDY, tmp_path, run_jobs=made_up)
    (tmp_path / "cells" / "chunk=8,seed=0" / "summary.json").unlink()
    made_up.fingerprint = "other data"
    with pytest.raises(ValueError, match="demonstrations with fingerprint data, other cells on other data"):
        run_study(STUDY, tmp_path, run_jobs=made_up)


def test_two_runs_do_not_work_in_one_folder(tmp_path, made_up):
    def within(jobs: Sequence[Job], at_once: int) -> None:
        with pytest.raises(ValueError, match="is being written by another process"):
            run_study(STUDY, tmp_path)
        made_up(jobs, at_once)

    run_study(STUDY, tmp_path, run_jobs=within)


COSTS = Costs(
    control_step=0.03,
    demonstration=0.25,
    trials={"any": Trial(Threads(1, {1: 0.5}), update=0.5, answer=0.0)},
)


def test_the_cost_is_told_first_as_measured_here_or_on_what_is_done(tmp_path, made_up, capsys, monkeypatch):
    measured = []

    def measure(trainings: Sequence[Planned], updates_left: int, at_once: int) -> Costs:
        measured.append((len(trainings), updates_left, at_once))
        return COSTS

    monkeypatch.setattr(estimate, "measure_if_long", measure)
    base = replace(STUDY.base, train=replace(STUDY.base.train, updates=1200))
    study = replace(STUDY, base=base, seeds=2, evaluations={"test": {"evaluation.episodes": 100}})

    def first_only(jobs: Sequence[Job], at_once: int) -> None:
        made_up._train(jobs[0].run.args[0])  # pyright: ignore[reportFunctionMemberAccess]
        raise TrainingError("enough")

    with pytest.raises(TrainingError):
        run_study(study, tmp_path, run_jobs=first_only, at_once=2)
    told = capsys.readouterr().out
    assert "4 trainings (0 done) on 1 sets of demonstrations, 4 evaluations (0 done)" in told
    # 4 trainings of 10 minutes; 4 times 100 episodes of 12 control steps.
    assert "about 40 min to train, about 2 min to evaluate" in told
    assert "About 21 min on 2 cores" in told
    assert "`seeds=1`" in told
    with pytest.raises(TrainingError):
        run_study(study, tmp_path, run_jobs=first_only, at_once=2)
    # What is done took 60 s an update: so does its other training.
    assert "about 20.3 h to train" in capsys.readouterr().out
    assert measured == [(4, 4800, 2), (3, 3600, 2)]


def test_a_small_study_is_not_measured(tmp_path, made_up, capsys, monkeypatch):
    monkeypatch.setattr(costs, "measure", lambda *_: pytest.fail("measured"))
    run_study(STUDY, tmp_path, run_jobs=made_up)
    assert "as measured" not in capsys.readouterr().out


SCRIPT = """
import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])
from tiny_study import STUDY
from vlasandbox.train.study.runner import run_study
if __name__ == "__main__":
    run_study(STUDY, Path(sys.argv[2]), at_once=1)
"""


@pytest.mark.slow
def test_a_study_that_is_killed_goes_on_and_repeats_nothing(tmp_path: Path):
    (tmp_path / "main.py").write_text(SCRIPT)
    out = tmp_path / "out"
    arguments = [sys.executable, str(tmp_path / "main.py"), str(Path(__file__).parent / "helpers"), str(out)]
    study = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 200
        while not list(out.glob("cells/*/eval/*/*/result.json")):
            assert study.poll() is None, "it ended by itself"
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        study.kill()
        study.wait()
    finished = [*out.glob("cells/*/summary.json"), *out.glob("cells/*/eval/*/*/result.json")]
    finished += [*out.glob("cells/*/policy/*.safetensors"), *out.glob("data/*/meta/info.json")]
    assert len(finished) >= 4
    before = {path: path.stat().st_mtime_ns for path in finished}

    # At once: the killed study's process may still be there.
    summary = run_study(STUDY, out)
    assert {path: path.stat().st_mtime_ns for path in finished} == before
    assert [row["evaluation"] for row in report(out)["rows"]].count("blank") == 2
    assert summary.exists()
    assert len(list(out.glob("cells/*/eval/*/*/result.json"))) == 4
    for row in report(out)["rows"]:
        [path] = (out / "cells").glob(f"chunk={row['levels']['chunk']},*/open_loop.json")
        assert row["open_loop"] == read_json(path)["mean"] > 0
    assert len(list(out.glob("held_out/*/meta/info.json"))) == 1, "both cells are measured on the same"
