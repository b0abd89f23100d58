"""A stored result comes back as it was, is strict JSON, and survives a crash while it is replaced."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from vlasandbox.eval.compare.score import SuccessRate
from vlasandbox.eval.result import FILE, FORMAT, EpisodeResult, EvalResult, ResultError
from vlasandbox.policies.execution import Execution


def make_result(seed_start: int = 2_000_000, latency: float = 12.5) -> EvalResult:
    rng = np.random.default_rng(seed_start)

    def arrays(steps: int) -> tuple[np.ndarray, list[tuple[int, np.ndarray]]]:
        chunks = [(i, rng.normal(size=(8, 5)).astype(np.float32)) for i in range(0, steps, 4)]
        return rng.normal(size=(steps, 5)).astype(np.float32), chunks

    def path(steps: int) -> np.ndarray:
        return rng.normal(size=(steps, 6)).astype(np.float32)

    rows = [
        EpisodeResult(
            seed_start, "success", 9, 1.0, "lifted", "pick up the red cube", None, *arrays(9), path(9), "near"
        ),
        EpisodeResult(seed_start + 1, "error", 0, 0.0, "", "", "ValueError: boom (pick.py:3)"),
        EpisodeResult(
            seed_start + 2, "error", 0, 0.0, "start", "", "raised at once", np.zeros((0, 5), np.float32)
        ),
        EpisodeResult(
            seed_start + 3, "timeout", 40, 0.25, "grasped", "pick up the red can", None, *arrays(40), path(40)
        ),
        EpisodeResult(
            seed_start + 4, "success", 20, 1.0, "lifted", "pick up the red can", None, arrays(20)[0]
        ),
    ]
    return EvalResult(
        policy="flow",
        checkpoint="runs/flow/policy",
        task="pick",
        condition="test",
        seed_start=seed_start,
        episodes=rows,
        execution=Execution(4, inference_delay=1, blocking=True),
        sampling="steps=5",
        lanes=16,
        threads=1,
        evaluations=10,
        chunk_ms_p50=latency,
        chunk_ms_p95=latency * 1.5,
        wall_seconds=3.5,
        env_steps=69,
        spec={"task": "pick", "cameras": ("front", "wrist"), "action_space": {"low": (-1.0, 0.5)}},
        versions={"mujoco": "4.0.0"},
    )


def test_a_stored_result_comes_back_equal(tmp_path):
    result = make_result()
    path = result.save(tmp_path / "new" / "folder")
    assert EvalResult.load(path) == EvalResult.load(path.parent) == result
    back = EvalResult.load(path)
    assert back.episodes[1].actions is None
    assert back.episodes[3].actions is not None
    assert back.episodes[3].actions.dtype == np.float32
    assert [step for step, _ in back.episodes[3].chunks] == list(range(0, 40, 4))
    assert back.episodes[3].path is not None
    assert back.episodes[3].path.shape == (40, 6)
    assert [e.path is None for e in back.episodes] == [False, True, True, False, True]
    assert [e.mode for e in back.episodes] == ["near", None, None, None, None]
    assert (back.successes, back.errors) == (2, 2)


def test_results_differ_when_one_number_in_an_array_does():
    a, b = make_result(), make_result()
    assert a == b
    assert b.episodes[3].actions is not None
    b.episodes[3].actions[39, 4] += 1e-6
    assert a != b
    c = make_result()
    c.episodes[0].chunks[1][1][0, 0] = 7
    assert a != c
    d = make_result()
    assert d.episodes[3].path is not None
    d.episodes[3].path[0, 0] += 1e-6
    assert a != d


def test_the_json_is_strict_and_says_null_where_nothing_was_measured(tmp_path):
    result = make_result(latency=math.nan)
    text = result.save(tmp_path).read_text()

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    document = json.loads(text, parse_constant=refuse)
    assert document["chunk_ms_p50"] is None
    assert document["episodes"][0]["outcome"] == "success"
    assert math.isnan(EvalResult.load(tmp_path).chunk_ms_p50)
    assert EvalResult.load(tmp_path) == result


def test_no_other_number_may_be_nan(tmp_path):
    result = make_result()
    result.spec["mass"] = [math.nan]
    with pytest.raises(ValueError, match="not JSON compliant"):
        result.save(tmp_path)


@pytest.mark.parametrize("moment", [1, 2])
def test_a_crash_while_replacing_leaves_the_earlier_result(tmp_path, monkeypatch, moment):
    first = make_result(1)
    first.save(tmp_path)
    replace, calls = Path.replace, []

    def crash(self, target):
        calls.append(target)
        if len(calls) == moment:
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        make_result(2).save(tmp_path)
    assert EvalResult.load(tmp_path) == first
    monkeypatch.undo()
    make_result(2).save(tmp_path)
    assert EvalResult.load(tmp_path) == make_result(2)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_missing_damaged_or_foreign_result_is_told_in_one_sentence(tmp_path):
    with pytest.raises(ResultError, match="no evaluation result at"):
        EvalResult.load(tmp_path)
    path = make_result().save(tmp_path)
    next(tmp_path.glob("*.npz")).unlink()
    with pytest.raises(ResultError, match="damaged"):
        EvalResult.load(tmp_path)
    path.write_text(path.read_text()[:100])
    with pytest.raises(ResultError, match="damaged"):
        EvalResult.load(tmp_path)
    for foreign in ("[]", '{"accuracy": 1}', '{"format": 0}'):
        path.write_text(foreign)
        with pytest.raises(ResultError, match=FILE):
            EvalResult.load(tmp_path)
    for older in range(1, FORMAT):
        path.write_text(json.dumps({"format": older}))
        with pytest.raises(ResultError, match="another version of this program"):
            EvalResult.load(tmp_path)


def test_a_policy_holds_the_rate_at_which_its_steps_last_as_long_as_its_answer_takes():
    # Four steps, and 80 ms at worst.
    assert make_result(latency=80 / 1.5).holds_hz == pytest.approx(50)
    assert math.isnan(make_result(latency=math.nan).holds_hz)


def test_mean_steps_counts_successes_only():
    result = make_result()
    assert SuccessRate.of(result).steps == 14.5
    for episode in result.episodes:
        episode.outcome = "timeout"
    assert SuccessRate.of(result).steps is None


def edit(folder: Path, change) -> None:
    """Edits result.json as one may: without its checksum."""
    document = json.loads((folder / "result.json").read_text())
    del document["sha256"]
    change(document)
    (folder / "result.json").write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda d: d["episodes"][0].update(outcome="Success"),
            "outcome cannot be 'Success'",
        ),
        (lambda d: d["episodes"][1].update(seed=d["episodes"][0]["seed"]), "seed 2000000 .*twice"),
        (lambda d: d["episodes"][0].update(steps=float("nan")), "steps cannot be nan"),
        (lambda d: d["episodes"][0].update(steps=-1), "steps cannot be -1"),
        (lambda d: d["episodes"][0].update(progress=1.5), r"progress cannot be 1\.5"),
        (lambda d: d["episodes"][0].update(more=1), "more"),
        (lambda d: d.update(episodes={}), "episodes must be a list"),
        (lambda d: d.update(condition="evaluation"), "condition cannot be 'evaluation'"),
        (lambda d: d.update(wall_seconds="1"), "wall_seconds cannot be '1'"),
        (lambda d: d.update(threads=1e9), "threads cannot be"),
        (lambda d: d.update(arrays="../rollouts.npz"), "leads out of"),
        (lambda d: d.update(arrays=3), "not the name of a file"),
    ],
)
def test_a_result_that_cannot_be_is_refused(tmp_path, change, message):
    make_result().save(tmp_path)
    edit(tmp_path, change)
    with pytest.raises(ResultError, match=message):
        EvalResult.load(tmp_path)


def test_a_result_of_before_there_were_checksums_loads(tmp_path):
    result = make_result()
    result.save(tmp_path)
    edit(tmp_path, lambda document: document.pop("arrays_sha256"))
    assert EvalResult.load(tmp_path) == result


def test_a_result_whose_execution_has_former_names_loads(tmp_path):
    result = make_result()
    path = result.save(tmp_path)
    document = json.loads(path.read_text())
    del document["sha256"]
    document["execution"] = {"execute": 4, "delay": 1, "wait": True, "guided": False, "ensemble": None}
    path.write_text(json.dumps(document))
    assert EvalResult.load(tmp_path) == result


def test_every_changed_byte_is_found(tmp_path):
    make_result().save(tmp_path)
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        for position in range(0, len(content), len(content) // 50):
            changed = bytearray(content)
            changed[position] ^= 16
            path.write_bytes(changed)
            with pytest.raises(ResultError, match=r"is damaged .*: evaluate again"):
                EvalResult.load(tmp_path)
        path.write_bytes(content)
    assert EvalResult.load(tmp_path) == make_result()
