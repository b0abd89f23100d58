"""Cells as tasks of a Ray cluster: told how to get it, and with it the same results as with processes."""

import functools
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_study import STUDY

from vlasandbox.eval.result import EvalResult
from vlasandbox.train.parallel import Job, TrainingError
from vlasandbox.train.study.ray_backend import cluster, run_on_ray
from vlasandbox.train.study.runner import run_study

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A cluster of this machine, with a home for its secret and our tests as modules."""
    pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        here = Path(__file__).parent
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, (here, here / "helpers"))))
        with cluster("local") as found:
            yield found


def test_without_ray_the_message_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"pip install 'vlasandbox\[ray\]'"), cluster("local"):
        pass


def fake_training(folder: Path, other: Path) -> None:
    """Fails if the other one is under way, else goes on until it is interrupted."""
    folder.mkdir(parents=True)
    try:
        for _ in range(2000):
            if other.exists():
                raise ValueError("the loss is not finite")
            time.sleep(0.05)
    except KeyboardInterrupt:
        (folder / "checkpoint").touch()
        raise


def test_a_failure_is_told_and_the_other_tasks_keep_a_checkpoint(tmp_path, cores):
    hangs, fails = tmp_path / "hangs", tmp_path / "fails"
    todo = [
        Job("hangs", hangs, 1, functools.partial(fake_training, hangs, tmp_path / "none")),
        Job("fails", fails, 1, functools.partial(fake_training, fails, hangs)),
    ]
    if cores < 2:
        pytest.skip("two tasks need two cores")
    with pytest.raises(TrainingError, match=r"(?s)fails stopped: .*loss is not finite"):
        run_on_ray(todo, cores)
    assert (hangs / "checkpoint").exists()


def test_a_study_on_ray_has_the_results_of_one_on_processes(tmp_path, cores):
    run_study(STUDY, tmp_path / "ray", run_jobs=run_on_ray, at_once=cores)
    run_study(STUDY, tmp_path / "processes")
    weights = sorted((tmp_path / "ray").glob("cells/*/policy/model.safetensors"))
    results = sorted((tmp_path / "ray").glob("cells/*/eval/*/*/result.json"))
    assert (len(weights), len(results)) == (2, 4)
    for path in weights:
        assert path.read_bytes() == _other(tmp_path, path).read_bytes()
    for path in results:
        assert EvalResult.load(path).episodes == EvalResult.load(_other(tmp_path, path)).episodes


def _other(folder: Path, path: Path) -> Path:
    return folder / "processes" / path.relative_to(folder / "ray")
