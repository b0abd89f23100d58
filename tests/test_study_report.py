"""The report of a study: its numbers, what it draws and says, and that a browser shows it offline."""

import itertools
import json
import re
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import FrameType
from xml.etree import ElementTree

import numpy as np
import pytest
from headless import browser, visit
from made_up_results import result
from made_up_studies import heads, study, training
from page_reader import Reader

from vlasandbox.eval.palette import styles
from vlasandbox.eval.report.html import render_html
from vlasandbox.eval.report.markdown import render_markdown
from vlasandbox.eval.report.study import study_report, write_study
from vlasandbox.eval.study.analysis import analyze
from vlasandbox.eval.study.clips import film_study
from vlasandbox.eval.study.factors import factors, numeric
from vlasandbox.eval.study.summary import StudyResult, summarize
from vlasandbox.eval.video.clips import Choice, Clip, parting
from vlasandbox.eval.video.encode import write_mp4

FIXED = {"task": "pick", "command": "vla study x.py"}
DEMONSTRATIONS = {"head": ["flow", "bins"], "demonstrations": [10, 40, 160, 640]}


def by_demonstrations(levels, _):
    return 0.3 + 0.1 * np.log2(levels["demonstrations"] / 10) - 0.4 * (levels["head"] == "bins")


def markdown(results: list[StudyResult]) -> str:
    return render_markdown(study_report("?", analyze(results), {}))


def page(results: list[StudyResult], tuned: str | None = None) -> str:
    return render_html(study_report("?", analyze(results, tuned), {}))


def test_rows_are_means_over_trainings_and_pairs_share_an_evaluation():
    results = [
        StudyResult({"head": head}, seed, evaluation, result(head, outcomes))
        for head, outcomes in (("flow", "ssssssssss" * 4), ("bins", "sfffffffff" * 4))
        for seed in range(3)
        for evaluation in ("a", "b")
    ]
    summary = summarize(results)
    assert [(row.label, row.evaluation) for row in summary.rows] == [
        ("head=flow", "a"), ("head=flow", "b"), ("head=bins", "a"), ("head=bins", "b"),
    ]  # fmt: skip
    assert summary.rows[2].success.mean == pytest.approx(0.1)
    assert summary.rows[2].success.trainings == 3
    assert len(summary.differences) == 2
    assert all(one.p < 1e-6 and one.estimate.mean == pytest.approx(0.9) for one in summary.differences)
    pairs = summary.evaluation_differences
    assert [(one.first, one.second, one.within, one.estimate.mean) for one in pairs] == [
        ("a", "b", "head=flow", 0.0), ("a", "b", "head=bins", 0.0),
    ]  # fmt: skip
    assert "| flow − bins | a | +90.0 |" in markdown(results)


def null_study(rng: np.random.Generator, cells: int) -> list[StudyResult]:
    """Cells that are equally good, up to the luck of each training; some episodes are harder than others."""
    hard, found = rng.normal(0, 1, 50), []
    for cell, seed in itertools.product(range(cells), range(3)):
        chance = 1 / (1 + np.exp(-(1 + 0.4 * rng.normal() + hard)))
        outcomes = "".join("st"[int(miss)] for miss in rng.random(50) > chance)
        found.append(StudyResult({"head": str(cell)}, seed, "test", result(str(cell), outcomes)))
    return found


@pytest.mark.slow
def test_equal_cells_are_seldom_told_apart_though_trainings_vary():
    """At most 5 % of studies may find any difference; 60 of them find 10 with a probability below 0.1 %."""
    rng = np.random.default_rng(0)
    studies = [summarize(null_study(rng, cells=5)) for _ in range(60)]
    assert sum(any(one.real for one in study.differences) for study in studies) < 10


def test_letters_and_places_follow_from_the_pairs_that_differ():
    summary = summarize(heads({"good": 0.9, "equal": 0.9, "bad": 0.2}))
    assert {row.name: (row.group, row.places) for row in summary.rows} == {
        "good": ("A", (1, 2)), "equal": ("A", (1, 2)), "bad": ("B", (3, 3)),
    }  # fmt: skip


def test_letters_that_nobody_could_read_are_left_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("vlasandbox.eval.study.summary.LETTERS", 0)
    results = heads({"good": 0.9, "bad": 0.2})
    assert [row.group for row in summarize(results).rows] == ["", ""]
    assert "| group |" not in markdown(results)
    assert "letters" in markdown(results)


def test_no_two_of_many_cells_look_alike():
    found = styles([str(i) for i in range(18)]).values()
    assert len({(style.color, style.marker) for style in found}) == 18


@pytest.mark.parametrize(
    ("levels", "label", "logarithmic"),
    [
        ([4, 8, 16], "x [Hz]", True),
        ([10, 30, 100, 300], "x [Hz]", True),
        ([0.001, 0.01, 0.1], "x [Hz]", True),
        ([0, 1, 2], "x [Hz]", False),
        ([1, 2, 3, 4], "x [Hz]", False),
        (["flow", 4], None, False),
        (["4", "8"], None, False),
    ],
)
def test_a_numeric_factor_is_spaced_as_its_levels_are(levels, label, logarithmic):
    summary = summarize(study({"x [Hz]": levels}, lambda *_: 0.5))
    [factor] = factors(summary)
    found = numeric(factor, summary.rows)
    assert (found and found.label) == label
    assert found is None or found.logarithmic is logarithmic


def test_evaluations_along_a_number_have_a_line_for_each_other_setting():
    evaluations = {
        f"{how}, delay {delay}": {"how": how, "delay": delay}
        for how in ("sync", "rtc")
        for delay in (0, 1, 2)
    }
    results = study(
        {"head": ["flow", "bins"]},
        lambda _, name: 0.95 - 0.3 * int(name[-1]) * ("sync" in name),
        evaluations=evaluations,
    )
    [curve] = analyze(results).curves
    found = curve.crossings
    assert curve.along.label == "delay"
    assert [one.line for one in found] == ["sync · flow", "rtc · flow", "sync · bins", "rtc · bins"]
    assert [one.falls for one in found] == [True] * 4
    assert found[1].text == "at every level"
    assert 0 < (found[0].at or 0) < 1


def test_the_evaluations_of_a_single_cell_are_compared_themselves():
    rates = {"2 late": 0.2, "0 late": 0.9, "1 late": 0.9}
    evaluations = {name: {"[late]": int(name[0])} for name in rates}
    results = study({"chunk": [16]}, lambda _, name: rates[name], evaluations=evaluations)
    summary = summarize(results)
    assert [(row.name, row.group) for row in summary.ranking("chunk=16")] == [
        ("0 late", "A"), ("1 late", "A"), ("2 late", "B"),
    ]  # fmt: skip
    assert len(summary.differences) == 3
    assert summary.evaluation_differences == []
    [curve] = analyze(results).curves
    [found] = curve.crossings
    assert curve.along.label == "late"
    assert 1 < (found.at or 0) < 2
    assert re.search(r"1 cell, 3 trainings .* 3 conditions", page(results))


def test_a_crossing_lies_between_levels_in_their_logarithm_with_the_cost_of_the_place():
    def rated(successes: int, cpu: float, level: int) -> StudyResult:
        made = result("x", "s" * successes + "f" * (100 - successes))
        return StudyResult({"demonstrations": level}, 0, "test", made, training(cpu))

    [curve] = analyze([rated(60, 1.0, 10), rated(70, 2.0, 40), rated(90, 4.0, 160)]).curves
    [found] = curve.crossings
    assert found.at == pytest.approx(80)  # half-way from 40 to 160
    assert found.cpu_minutes == pytest.approx(3.0)
    assert 40 < found.between[0] < 80 < found.between[1] < 160
    [curve] = analyze([rated(10, 1.0, 10), rated(20, 2.0, 40)]).curves
    [never] = curve.crossings
    assert (never.text, never.span) == ("not reached", "")


def test_a_tuned_factor_is_a_property_of_cells_and_not_compared():
    rates = {"flow": "1e-3", "bins": "1e-4"}
    results = [
        replace(one, levels={**one.levels, "lr": rates[str(one.levels["head"])]})
        for one in heads(dict.fromkeys(rates, 0.5))
    ]
    summary = summarize(results, tuned="lr")
    assert [factor.label for factor in factors(summary)] == ["head"]
    assert [row.name for row in summary.rows] == ["flow", "bins"]
    text = page(results, tuned="lr")
    assert "lr (tuned)" in text
    assert "on validation seeds" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("results", "svgs"),
    [
        (
            study(DEMONSTRATIONS, by_demonstrations),
            7,
        ),  # intervals, latency, lines, map, stages, curves in two
        (study({"head": ["flow"]}, lambda *_: 0.5, trainings=1, trained=False), 3),
        (
            study({"a": ["x", "y"], "b": [1, 2], "c": ["u", "v"]}, lambda *_: 1.0, evaluations=("p", "q")),
            None,
        ),
        (study({"a": list("abcdefghijklmnop"), "n": [1, 2]}, lambda *_: 0.0, trainings=1), None),
    ],
)
def test_any_study_gives_a_page_that_asks_for_nothing_from_outside(tmp_path: Path, results, svgs):
    path = write_study(tmp_path, "Is x < y?", results, FIXED)
    text = path.read_text()
    read = Reader(text)
    assert "<h1>Is x &lt; y?</h1>" in text
    assert svgs is None or read.tags.count("svg") == svgs
    assert all(address.startswith(("data:", "#")) for address in read.addresses)
    assert not re.search(r"https?:|url\((?!#)|@import", text)
    assert len(read.ids) == len(set(read.ids))
    json.loads((tmp_path / "results.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == ["results.html", "results.json", "results.md", "results.svg"]
    alone = ElementTree.parse(tmp_path / "results.svg").getroot()
    assert alone.tag == "{http://www.w3.org/2000/svg}svg"
    assert (tmp_path / "results.md").read_text().count("](results.svg)") == 1


def test_page_markdown_and_json_tell_the_same(tmp_path: Path):
    results = study(DEMONSTRATIONS, by_demonstrations)
    shown = Reader(write_study(tmp_path, "?", results, FIXED).read_text()).text
    written = (tmp_path / "results.md").read_text()
    numbers = json.loads((tmp_path / "results.json").read_text())
    for row, stored in zip(summarize(results).rows, numbers["rows"], strict=True):
        rate = f"{100 * stored['success']['mean']:.1f} ["
        assert stored["success"]["mean"] == row.success.mean
        assert rate in shown
        assert rate in written
    for text in ("vla study x.py", "1.50 M", "abcdef", "not reached", "CPU-minutes of these trainings"):
        assert text in shown
        assert text in written
    assert numbers["crossings"]["demonstrations"][1]["reads"] == "not reached"


def test_the_analysis_is_asked_once_for_page_markdown_and_json(tmp_path: Path):
    calls: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _: object) -> None:
        module = frame.f_globals.get("__name__", "")
        if event == "call" and module.startswith("vlasandbox.eval.study."):
            calls[frame.f_code.co_name] += 1

    clips = [Clip(tmp_path / "a.mp4", Choice(1, "test", "a rule"), {"flow": "success"})]
    (tmp_path / "a.mp4").touch()
    results = study(DEMONSTRATIONS, by_demonstrations, evaluations=("a", "b"))
    sys.setprofile(note)
    try:
        write_study(tmp_path, "?", results, FIXED, videos=lambda _: clips)
    finally:
        sys.setprofile(None)
    once = (
        "analyze", "summarize", "factors", "power", "lead", "headline", "cautions", "limits", "motion_table",
        "cost_table", "protocol_table",
    )  # fmt: skip
    assert {name: calls[name] for name in once} == dict.fromkeys(once, 1)
    series, rows = 2 * 2, 2 * 4 * 2
    assert calls["crossing"] == series
    assert calls["measures"] == rows
    assert (calls["ranking_table"], calls["difference_table"], calls["crossing_table"]) == (2, 2, 1)


def test_videos_stand_in_the_page_or_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    video = tmp_path / "test-2000000.mp4"
    write_mp4([np.full((32, 32, 3), 10 * i, np.uint8) for i in range(6)], video, 5.0)
    clips = [Clip(video, Choice(2_000_000, "test", "the first test seed of all"), {"flow": "success"})]
    results = heads({"flow": 0.5, "bins": 0.5})
    assert "video" in Reader(write_study(tmp_path, "?", results, {}, videos=lambda _: clips).read_text()).tags
    monkeypatch.setattr("vlasandbox.eval.report.html.LIMIT", 500_100)
    read = Reader(write_study(tmp_path, "?", results, {}, videos=lambda _: clips).read_text())
    assert "video" not in read.tags
    assert video.name in read.text


def test_best_and_worst_are_filmed_unless_others_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[list[str]] = []
    monkeypatch.setattr(
        "vlasandbox.eval.study.clips.film",
        lambda comparison, *_, **__: seen.append(comparison.policies) or [],
    )
    summary = summarize(heads({"middle": 0.5, "worst": 0.1, "best": 0.9}))
    film_study(summary, tmp_path)
    film_study(summary, tmp_path, [{"head": "middle"}, {"head": "best"}])
    assert seen == [["best", "worst"], ["best", "middle"]]
    levels = {"head": ("flow", "bins"), "chunk": (4, 8)}
    rates = {"flow": {4: 0.1, 8: 0.9}, "bins": {4: 0.4, 8: 0.6}}
    film_study(summarize(study(levels, lambda at, _: rates[at["head"]][at["chunk"]])), tmp_path)
    assert seen[2] == ["chunk 8", "chunk 4"]
    with pytest.raises(ValueError, match=r"\{'head': 'x'\}; valid: head=best; head=middle; head=worst"):
        film_study(summary, tmp_path, [{"head": "x"}])
    with pytest.raises(ValueError, match="at most 4"):
        film_study(summary, tmp_path, [{"head": "best"}] * 5)


def test_episodes_part_where_their_grippers_do():
    [first, second] = result("x", "ss").episodes
    straight = np.linspace([0.0, 0, 0], [0.12, 0, 0], 11, dtype=np.float32)
    turned = straight + np.maximum(0, np.arange(11) - 5)[:, None] * np.array([0, 0.02, 0], np.float32)
    assert parting([replace(first, path=straight), replace(second, path=turned)]) == 8
    assert parting([replace(first, path=straight), replace(second, path=straight[:9])]) is None
    assert parting([replace(first, path=straight), replace(second, path=straight[:3])]) == 6
    assert parting([first, second]) is None


@pytest.mark.slow
def test_a_browser_shows_the_page_without_errors_and_without_a_network(tmp_path: Path):
    binary = browser()
    if binary is None:
        pytest.skip("no Chromium on this machine (looked for chromium, chromium-browser, google-chrome)")
    folder = tmp_path / "study"
    folder.mkdir()
    path = write_study(folder, "How many demonstrations?", study(DEMONSTRATIONS, by_demonstrations), FIXED)
    seen = visit(binary, path, tmp_path)
    assert "<h1>How many demonstrations?</h1>" in seen.dom
    assert seen.dom.count("<figure") == Reader(path.read_text()).tags.count("figure") == 7
    assert seen.dom.count("<tr") == path.read_text().count("<tr")
    assert seen.console == []
    assert seen.requests == []
    (tmp_path / "bad.html").write_text('<img src="http://example.invalid/a.png"><script>boom()</script>')
    bad = visit(binary, tmp_path / "bad.html", tmp_path)
    assert bad.requests == ["http://example.invalid/a.png"]
    assert "boom is not defined" in bad.console[0]
