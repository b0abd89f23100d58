"""What the report says, section by section."""

import json
import math

from ..compare import statements
from ..compare.comparison import Comparison
from ..compare.score import SuccessRate
from ..compare.statements import p_value, points
from ..result import CONDITIONS, EXPERT, TITLES
from ..stats.pairwise import ALPHA
from ..training_record import TrainingRecord, cautions
from ..video.clips import APART, SPEED, Clip
from .html import Content, Markup, element, figure, section, table, video
from .svg import curves_plot, stages_plot, success_plot, tradeoff_plot


def headline(comparison: Comparison, trainings: dict[str, TrainingRecord]) -> Markup:
    """The table, what it means, and the plot of all rates."""
    rows = [_row(comparison, name, trainings) for name in comparison.names]
    head = [
        "",
        "success",
        "group",
        "steps",
        "swapped instruction",
        "blank image",
        "ms per chunk",
        "holds up to",
        "passes",
        "training",
        "errors",
    ]
    note = (
        "Successes of episodes with 95 % intervals (Wilson). Policies that share a letter are not "
        "distinguishable. Steps: mean control steps of the successes. ms per chunk: median and 95th "
        f"percentile of one chunk at batch 1. {statements.HOLDS} Passes: evaluations of the action head per "
        "chunk. Training: wall time. Errors: episodes of all conditions in which code raised."
    )
    cells = list(comparison.cells.values())
    said = [
        statements.summary(
            [name for name in comparison.policies if name in comparison.letters], comparison.pairs
        ),
        *statements.of_controls(cells),
        *statements.cautions(cells),
        *cautions(trainings),
    ]
    items = [element("li", sentence) for sentence in said if sentence]
    plots = [figure(success_plot(comparison), "Success with 95 % interval. Filled: test; open: controls.")]
    latency = {
        name: (result.chunk_ms_p50, result.chunk_ms_p95)
        for name in comparison.policies
        if comparison.cell(name) and math.isfinite((result := comparison.representative(name)).chunk_ms_p50)
    }
    if latency:
        plot = tradeoff_plot(comparison, latency, "time per chunk [ms]", "latency")
        plots.append(
            figure(
                plot, "Success against latency at batch 1: marker at the median, line to the 95th percentile."
            )
        )
    return element(
        "section",
        element("ul", items, class_="verdicts") if items else "",
        table(head, rows, note),
        element("div", plots, class_="figures"),
    )


def _row(comparison: Comparison, name: str, trainings: dict[str, TrainingRecord]) -> list[Content]:
    cells = [comparison.cell(name, condition) for condition in CONDITIONS]
    result = comparison.representative(name)
    timed = math.isfinite(result.chunk_ms_p50)
    return [
        name,
        _rate(cells[0]),
        comparison.letters.get(name, "–"),
        f"{cells[0].steps:.1f}" if cells[0] and cells[0].steps else "–",
        _rate(cells[1]),
        _rate(cells[2]),
        _two_lines(f"{result.chunk_ms_p50:.1f}", f"p95 {result.chunk_ms_p95:.1f}") if timed else "–",
        f"{result.holds_hz:.1f} Hz" if timed else "–",
        "–" if name == EXPERT else str(result.evaluations),
        duration(trainings[name].wall_seconds) if name in trainings else "–",
        str(sum(cell.result.errors for cell in cells if cell)),
    ]


def _rate(cell: SuccessRate | None) -> Content:
    return _two_lines(cell.counts, cell.percent) if cell else "–"


def _two_lines(first: str, second: str) -> Content:
    return [first, element("small", second)]


def differences(comparison: Comparison) -> Markup:
    """Every pair: difference, interval, p-value."""
    names = [name for name in comparison.policies if comparison.cell(name)]
    found = {(pair.first, pair.second): pair for pair in comparison.pairs}
    rows = []
    for row in names[:-1]:
        cells: list[Content] = [row]
        for column in names[1:]:
            pair = found.get((row, column))
            if pair is None:
                cells.append("")
                continue
            difference, low, high = (f"{round(x):+d}" for x in (pair.points, *pair.interval))
            text = f"{difference} [{low}, {high}]"
            cells.append([element("b", text) if pair.real else text, element("small", p_value(pair.p_holm))])
        rows.append(cells)
    note = (
        "Row minus column, in points of 100, on the same seeds, with an interval (Newcombe) and the "
        f"p-value of McNemar's exact test (Holm). Both are corrected for {len(found)} pairs: with 95 % "
        f"confidence all intervals hold at once. Bold: p < {ALPHA}."
    )
    sentences = element("ul", [element("li", statements.of_pair(pair)) for pair in comparison.pairs])
    return section("Pairwise differences", table(["", *names[1:]], rows, note), sentences)


def learning(comparison: Comparison, trainings: dict[str, TrainingRecord]) -> Markup:
    """Loss over updates, and success against what the training took."""
    figures = []
    curves = curves_plot(comparison, {name: training.rows for name, training in trainings.items()})
    if curves is not None:
        note = (
            "Training loss, each policy on its own scale. A cross-entropy, a noise error and a distance "
            "between actions measure different things: compare the shapes, not the heights."
        )
        figures.append(figure(curves, note))
    seconds = {
        name: (training.cpu_seconds, training.cpu_seconds)
        for name, training in trainings.items()
        if comparison.cell(name)
    }
    if seconds:
        plot = tradeoff_plot(comparison, seconds, "training [CPU seconds]", "training")
        figures.append(figure(plot, "Success against the CPU time of the training, all threads together."))
    return section("Training", element("div", figures, class_="figures")) if figures else Markup()


def controls(comparison: Comparison) -> Markup:
    """What each control is for."""
    texts = {
        "expert": "the scripted expert on the same seeds: what the task and its time limit allow at best.",
        "swapped_instruction": "the same scene, but the instruction names another object while success stays "
        "about the original one: a policy that still succeeds does not listen.",
        "blank_image": "every image is uniform grey: a policy that still succeeds does not look.",
    }
    items = [
        element("li", element("b", title), ": ", texts[key])
        for key, title in (("expert", "Expert"), *((c, TITLES[c].capitalize()) for c in CONDITIONS[1:]))
    ]
    return section("Controls", element("ul", items))


def endings(comparison: Comparison) -> Markup:
    """Where episodes ended."""
    note = (
        "Share of episodes by the furthest stage that they reached. With a swapped instruction the stages "
        "still speak of the original object."
    )
    return section("How far the episodes got", figure(stages_plot(comparison), note))


def films(clips: list[Clip], left_out: list[Clip]) -> Markup:
    """Side-by-side videos with the rule that chose each."""
    if not clips and not left_out:
        return Markup()
    shown = [
        video(clip.path, f"Seed {clip.choice.seed}: {clip.choice.rule}. {_outcomes(clip)}.") for clip in clips
    ]
    note = (
        f"Replayed from the recorded actions at {SPEED:g} times real speed; every replay ended as recorded. "
        "Dots: where the rest of the current chunk sends the gripper; yellow ring: where it closes. "
        f"“Apart”: grippers have been more than {100 * APART:g} cm from each other. Seeds were chosen by the "
        "rules below, not by eye."
    )
    more = f"Too large for this page, but beside it: {', '.join(clip.path.name for clip in left_out)}."
    return section(
        "Episodes",
        element("p", note, class_="note"),
        element("div", shown, class_="figures"),
        element("p", more, class_="note") if left_out else "",
    )


def _outcomes(clip: Clip) -> str:
    text = ", ".join(f"{name}: {outcome}" for name, outcome in clip.outcomes.items())
    return text if clip.parted is None else f"{text}; apart after {clip.parted:.1f} s"


def limits(comparison: Comparison) -> Markup:
    """What the numbers cannot tell."""
    items = [
        "One training per policy. The intervals cover the luck of the episodes, not the luck of the "
        "training seed: another seed of the same recipe may move a policy by more than the interval.",
        "The policies here are trained systems on this budget and this data. What one head would do with "
        "more data, another learning rate or longer training is another experiment.",
        "One simulated task and one robot. Nothing here was measured on hardware.",
    ]
    if comparison.pairs:
        coarse = max(comparison.pairs, key=lambda pair: pair.resolves)
        n, resolves = coarse.table.n, coarse.resolves
        found = (
            f"a true difference of {points(resolves)} would have been found with a probability of 80 %, "
            "a smaller one less often"
            if resolves < 100
            else "hardly any true difference would have been found"
        )
        items.insert(0, f"With {n} shared seeds {found}. “Not distinguishable” does not mean “equal”.")
    return section("What these numbers cannot tell", element("ul", [element("li", item) for item in items]))


def protocol(comparison: Comparison, trainings: dict[str, TrainingRecord]) -> Markup:
    """Everything that is needed to repeat it."""
    runs = [
        [
            name, f"{t.demonstrations} demonstrations", f"{t.updates} updates, {t.samples} samples",
            f"{duration(t.wall_seconds)} ({duration(t.cpu_seconds)} CPU)", f"{t.samples_per_second:.0f}/s",
            f"{t.parameters / 1e6:.2f} M", f"{t.device}, {t.threads} threads, {t.precision}",
            element("code", t.dataset[:16]),
        ]
        for name, t in trainings.items()
    ]  # fmt: skip
    head = ["", "data", "budget", "time", "samples", "parameters", "device", "dataset"]
    first = next((r for r in comparison.results if r.policy != EXPERT), comparison.results[0])
    facts: list[list[Content]] = [
        ["Task", comparison.task],
        ["Seeds", _seeds(comparison)],
        ["Executed per chunk", statements.execution(first)],
        ["Inference", f"{first.lanes} lanes, {first.threads} threads; noise drawn per episode from its seed"],
        ["Chunk", _chunk(comparison)],
        *(["Environment: " + name, json.dumps(value)] for name, value in first.spec.items()),
        ["Versions", ", ".join(f"{name} {v}" for name, v in sorted(first.versions.items()))],
        *(
            ["Checkpoint: " + name, comparison.representative(name).checkpoint]
            for name in comparison.policies
        ),
    ]
    return section(
        "Protocol",
        table(head, runs) if runs else "",
        element("div", table(["", ""], facts), class_="protocol"),
    )


def _seeds(comparison: Comparison) -> str:
    used = {tuple(sorted(e.seed for e in result.episodes)) for result in comparison.results}
    spans = "; ".join(f"{len(seeds)} from {seeds[0]} to {seeds[-1]}" for seeds in sorted(used))
    return spans + (", the same for every policy and condition" if len(used) == 1 else "")


def _chunk(comparison: Comparison) -> str:
    lengths = {
        len(chunk)
        for result in comparison.results
        for episode in result.episodes
        for _, chunk in episode.chunks
    }
    return (
        f"{' or '.join(map(str, sorted(lengths)))} actions predicted at once" if lengths else "not recorded"
    )


def duration(seconds: float) -> str:
    """93 -> "1 min 33 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
