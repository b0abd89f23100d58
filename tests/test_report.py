import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from made_up_results import result
from page_reader import Reader

from vlasandbox.eval.compare.comparison import Comparison, compare
from vlasandbox.eval.report.comparison import write_report
from vlasandbox.eval.training_record import TrainingRecord
from vlasandbox.eval.video.clips import Choice, Clip
from vlasandbox.eval.video.encode import write_mp4

ROWS = [{"step": step, "loss": 1.0 / step, "lr": None} for step in range(10, 100, 10)]
TRAINING = TrainingRecord(
    61.5, 60.0, 900, 28800, 100, 470.0, 1_800_000, "abcdef0123456789", "cpu", "fp32", 1, ROWS
)


@pytest.fixture
def comparison() -> Comparison:
    return compare(
        [
            result("flow", "s" * 45 + "t" * 5, ms=17.0),
            result("flow", "t" * 50, "swapped_instruction"),
            result("flow", "s" + "e" + "f" * 48, "blank_image"),
            result("never", "f" * 50, ms=5.0),
            result("expert", "s" * 50),
        ]
    )


def clip(folder: Path) -> Clip:
    path = folder / "test-2000000.mp4"
    write_mp4([np.full((32, 32, 3), 10 * i, np.uint8) for i in range(6)], path, 5.0)
    return Clip(path, Choice(2_000_000, "test", "the first test seed of all"), {"flow": "success"})


def test_json_holds_the_numbers_of_the_input(tmp_path, comparison):
    write_report(tmp_path, comparison, {"flow": TRAINING})
    text = (tmp_path / "report.json").read_text()
    numbers = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    flow = numbers["policies"]["flow"]
    for condition, successes, errors in (
        ("test", 45, 0),
        ("swapped_instruction", 0, 0),
        ("blank_image", 1, 1),
    ):
        cell = comparison.rate_of("flow", condition)
        assert cell is not None
        assert flow[condition] == {
            "successes": successes,
            "episodes": 50,
            "errors": errors,
            "missing": 0,
            "interval": list(cell.interval),
            "mean_steps_to_success": cell.steps,
        }
    assert numbers["expert"]["successes"] == 50
    assert flow["training"]["wall_seconds"] == 61.5
    assert flow["training"]["cpu_seconds"] == 60.0
    assert flow["training"]["demonstrations"] == 100
    assert flow["training"]["updates"] == 900
    assert flow["chunk_ms"] == {"p50": 17.0, "p95": 25.5}
    assert flow["holds_hz"] == pytest.approx(1000 * 4 / 25.5)
    assert flow["evaluations"] == 10
    assert numbers["policies"]["never"]["training"] is None
    assert numbers["pairs"][0]["real"] is True


def test_page_is_whole_and_asks_for_nothing_from_outside(tmp_path, comparison):
    path = write_report(tmp_path, comparison, {"flow": TRAINING, "never": TRAINING}, [clip(tmp_path)])
    text = path.read_text()
    page = Reader(text)
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert "http:" not in text
    assert "https:" not in text
    assert "url(http" not in text
    assert len(page.ids) == len(set(page.ids))
    assert page.tags.count("svg") == 5
    assert page.tags.count("video") == 1
    assert len(text) < 8_000_000


def test_page_shows_the_numbers_of_the_input(tmp_path, comparison):
    page = Reader(write_report(tmp_path, comparison, {"flow": TRAINING}).read_text()).text
    for shown in (
        "45/50",
        "0/50",
        "50/50",
        "[78.6, 95.7]%",
        "17.0",
        "p95 25.5",
        "156.9 Hz",
        "1 min 2 s",
        "abcdef0123456789",
    ):
        assert shown in page
    assert all(sentence in page for sentence in comparison.statements)
    assert "cannot tell" in page


def test_text_of_the_input_is_escaped(tmp_path):
    name = "<script>alert('&')</script>$x^2$"
    path = write_report(tmp_path, compare([result(name, "ssft"), result("b", "ssff")]), {name: TRAINING})
    page = Reader(path.read_text())
    assert "script" not in page.tags
    assert name in page.text


@pytest.mark.parametrize(
    "results",
    [
        [result("expert", "ssst")],
        [result("a", "ffff")],
        [result("a", "eeee"), result("b", "ssss")],
        [result("a", "ssss", "swapped_instruction")],
        [result("a", "ssss", "blank_image"), result("b", "s")],
        [result(f"policy {i}", "sf" * 5) for i in range(9)],
    ],
)
def test_any_set_of_results_gives_a_report(tmp_path, results):
    Reader(write_report(tmp_path, compare(results)).read_text())
    json.loads((tmp_path / "report.json").read_text())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "report.json", "report.md"]


def test_videos_beyond_the_limit_stay_beside_the_page(tmp_path, comparison, monkeypatch):
    monkeypatch.setattr("vlasandbox.eval.report.html.LIMIT", 500_100)
    page = Reader(write_report(tmp_path, comparison, None, [clip(tmp_path)]).read_text())
    assert "video" not in page.tags
    assert "test-2000000.mp4" in page.text


def test_a_failed_write_keeps_the_old_report(tmp_path, comparison, monkeypatch):
    write_report(tmp_path, comparison)
    before = (tmp_path / "report.html").read_bytes()

    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_report(tmp_path, comparison)
    assert (tmp_path / "report.html").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 3


def test_a_finished_training_is_read_from_its_folder(tmp_path):
    summary = {
        "updates": 5, "samples": 40, "train_wall_seconds": 2.5, "train_cpu_seconds": 2.0,
        "samples_per_second": 16.0, "demonstrations": 3, "dataset": {"root": "x", "fingerprint": "f"},
        "parameters": {"trunk": 7, "head": 3},
        "device": "cpu", "threads": 1,
    }  # fmt: skip
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    (tmp_path / "metrics.jsonl").write_text('{"step": 5, "loss": 0.5}\n')
    training = TrainingRecord.load(tmp_path)
    assert (training.wall_seconds, training.parameters, training.rows) == (
        2.5,
        10,
        [{"step": 5, "loss": 0.5}],
    )
    assert (training.open_loop, training.precision) == (None, "unknown")
    (tmp_path / "open_loop.json").write_text('{"mean": 0.25, "steps": [0.25, null]}')
    assert TrainingRecord.load(tmp_path).open_loop == 0.25
    with pytest.raises(ValueError, match="no finished training"):
        TrainingRecord.load(tmp_path / "elsewhere")


def test_the_precision_of_a_training_is_found_where_its_version_kept_it(tmp_path):
    summary = {
        "updates": 5, "samples": 40, "train_wall_seconds": 2.5, "train_cpu_seconds": 2.0,
        "samples_per_second": 16.0, "demonstrations": 3, "dataset": {"fingerprint": "f"},
        "parameters": {"head": 3}, "device": "cpu", "threads": 1,
    }  # fmt: skip
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    (tmp_path / "config.json").write_text(json.dumps({"precision": "bf16"}))
    assert TrainingRecord.load(tmp_path).precision == "bf16"
    (tmp_path / "summary.json").write_text(json.dumps(summary | {"precision": "fp32"}))
    assert TrainingRecord.load(tmp_path).precision == "fp32"


def test_trainings_on_other_budgets_are_pointed_out(tmp_path, comparison):
    same = write_report(tmp_path, comparison, {"flow": TRAINING, "never": TRAINING}).read_text()
    assert "updates, samples seen" not in same
    longer = dataclasses.replace(TRAINING, updates=1800, samples=57600)
    page = Reader(write_report(tmp_path, comparison, {"flow": TRAINING, "never": longer}).read_text())
    for text in (page.text, (tmp_path / "report.md").read_text()):
        assert re.search("Caution: .*: updates, samples seen", text)


def test_trainings_in_different_precisions_are_pointed_out(tmp_path, comparison):
    half = dataclasses.replace(TRAINING, precision="bf16")
    page = Reader(write_report(tmp_path, comparison, {"flow": TRAINING, "never": half}).read_text())
    assert "(bf16: never; fp32: flow)" in page.text
    assert "(bf16: never; fp32: flow)" in (tmp_path / "report.md").read_text()
    assert (
        json.loads((tmp_path / "report.json").read_text())["policies"]["flow"]["training"]["precision"]
        == "fp32"
    )
