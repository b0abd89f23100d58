"""Report of a comparison: how often policies succeed, which of them differ, and what that took."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..compare.comparison import Comparison
from ..compare.score import SuccessRate
from ..compare.statements import MAX_CONTROL_RATE, execution, p_value, points
from ..result import CONDITIONS, EXPERT, TITLES
from ..stats.pairwise import ALPHA
from ..table import Cell, Table
from ..training_record import TrainingRecord, cautions
from ..video.clips import APART, SPEED, Clip
from .document import Block, Document, Figure, Figures, Items, Section, TableBlock, Text, Video, Videos
from .svg import curves_plot, stages_plot, success_plot, tradeoff_plot
from .write import write_document

CONTROLS = (
    "Expert: the scripted expert on the same seeds, an upper bound set by the task and its time limit.",
    f"{TITLES['swapped_instruction'].capitalize()}: the same scene, but the instruction names another object "
    "while success still refers to the original one. A policy that succeeds ignores the instruction.",
    f"{TITLES['blank_image'].capitalize()}: every image is uniform gray. A policy that succeeds ignores the "
    "images.",
)
LIMITS = (
    "One training per policy. The intervals cover variation between episodes, not between training seeds: "
    "another seed of the same recipe may move a policy by more than the interval.",
    "Each policy is one system trained on this data with this budget. More data, another learning rate or "
    "longer training may change the ranking.",
    "One simulated task and one robot. Nothing was measured on hardware.",
)


def write_report(
    folder: Path,
    comparison: Comparison,
    trainings: Mapping[str, TrainingRecord] | None = None,
    clips: Sequence[Clip] = (),
) -> Path:
    """Writes report.html, report.md, and report.json into `folder`; returns the path of the page.

    Args:
        folder: where to write the report.
        comparison: what to report.
        trainings: training records by policy, for the policies that have one.
        clips: videos for the page, the most important first.
    """
    return write_document(comparison_report(comparison, trainings or {}, clips), folder, "report")


def comparison_report(
    comparison: Comparison, trainings: Mapping[str, TrainingRecord], clips: Sequence[Clip]
) -> Document:
    """Builds the report of a comparison."""
    trainings = {name: record for name, record in trainings.items() if name in comparison.policies}
    numbers = comparison.to_dict()
    for name, policy in numbers["policies"].items():
        policy["training"] = trainings[name].to_dict() if name in trainings else None
    limits = [*_resolution(comparison), *LIMITS]
    blocks: list[Block] = [
        Text(_lead(comparison), "lead"),
        Items([*comparison.summary, *cautions(trainings)], highlighted=True),
        TableBlock(_rates(comparison, trainings)),
        Figures(_figures(comparison)),
        Section("Episodes", [clip_videos(clips)]),
        Section("Pairwise differences", _differences(comparison) if comparison.pairs else []),
        Section("Training", [Figures(_training_figures(comparison, trainings))]),
        Section("Controls", [Items(CONTROLS)]),
        Section("Progress of the episodes", [_stages(comparison)]),
        Section("What these numbers cannot tell", [Items(limits)]),
        Section("Protocol", _protocol(comparison, trainings)),
    ]
    return Document(_title(comparison), blocks, numbers)


def clip_videos(clips: Sequence[Clip]) -> Videos:
    """Side-by-side videos, each with the rule that selected it."""
    note = (
        f"Replayed from the recorded actions at {SPEED:g} times real speed; every replay ended as recorded. "
        "Dots: where the rest of the current chunk moves the gripper; yellow ring: where it closes. "
        f"“Apart”: the grippers are more than {100 * APART:g} cm from each other. Fixed rules, stated below, "
        "selected the seeds."
    )
    videos = [
        Video(clip.path, f"Seed {clip.choice.seed}: {clip.choice.rule}. {_outcomes(clip)}.") for clip in clips
    ]
    return Videos(videos, note)


def _outcomes(clip: Clip) -> str:
    text = ", ".join(f"{name}: {outcome}" for name, outcome in clip.outcomes.items())
    return text if clip.parted is None else f"{text}; apart after {clip.parted:.1f} s"


def _title(comparison: Comparison) -> str:
    count = len(comparison.policies)
    who = f"{count} policies" if count > 1 else comparison.policies[0] if count else EXPERT
    return f"{who} on “{comparison.task}”"


def _lead(comparison: Comparison) -> str:
    counts = sorted({rate.episodes for rate in comparison.rates.values()})
    episodes = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return (
        f"{episodes} simulated episodes per policy and condition. All policies of a table run on the same "
        "seeds."
    )


def _rates(comparison: Comparison, trainings: Mapping[str, TrainingRecord]) -> Table:
    head = [
        "",
        "success",
        "group",
        "steps",
        "swapped instruction",
        "blank image",
        "ms per chunk",
        "max control rate",
        "NFE",
        "training",
        "errors",
    ]
    note = (
        "Success: successful episodes, with 95% intervals (Wilson). Policies that share a letter are not "
        "distinguishable. Steps: mean control steps of the successes. ms per chunk: median and 95th "
        f"percentile of one chunk at batch size 1. {MAX_CONTROL_RATE} NFE: network function evaluations of "
        "the action head per chunk. Training: wall-clock time. Errors: episodes of all conditions in which "
        "code raised."
    )
    return Table(head, [_row(comparison, name, trainings) for name in comparison.names], note)


def _row(comparison: Comparison, name: str, trainings: Mapping[str, TrainingRecord]) -> list[str | Cell]:
    rates = [comparison.rate_of(name, condition) for condition in CONDITIONS]
    test, swapped, blank = rates
    result = comparison.representative(name)
    timed = math.isfinite(result.chunk_ms_p50)
    return [
        name,
        _rate(test),
        comparison.letters.get(name, "–"),
        f"{test.steps:.1f}" if test and test.steps else "–",
        _rate(swapped),
        _rate(blank),
        Cell(f"{result.chunk_ms_p50:.1f}", f"p95 {result.chunk_ms_p95:.1f}") if timed else "–",
        f"{result.holds_hz:.1f} Hz" if timed else "–",
        "–" if name == EXPERT else str(result.evaluations),
        duration(trainings[name].wall_seconds) if name in trainings else "–",
        _errors(rates),
    ]


def _errors(rates: Sequence[SuccessRate | None]) -> str:
    """Counts the episodes that raised, and the missing ones if there are any."""
    errors, missing = (sum(getattr(r.result, x) for r in rates if r) for x in ("errors", "missing"))
    return f"{errors}, {missing} missing" if missing else str(errors)


def _rate(rate: SuccessRate | None) -> str | Cell:
    return Cell(rate.counts, rate.percent) if rate else "–"


def _figures(comparison: Comparison) -> list[Figure]:
    figures = [
        Figure(
            success_plot(comparison),
            "Success with 95% intervals. Filled markers: test; open markers: controls.",
        )
    ]
    latency = {
        name: (result.chunk_ms_p50, result.chunk_ms_p95)
        for name in comparison.policies
        if comparison.rate_of(name)
        and math.isfinite((result := comparison.representative(name)).chunk_ms_p50)
    }
    if latency:
        plot = tradeoff_plot(comparison, latency, "time per chunk [ms]", "latency")
        caption = (
            "Success against latency at batch size 1: marker at the median, line to the 95th percentile."
        )
        figures.append(Figure(plot, caption))
    return figures


def _differences(comparison: Comparison) -> list[Block]:
    """Table and statements of all pairs."""
    names = [name for name in comparison.policies if comparison.rate_of(name)]
    pairs = {(pair.first, pair.second): pair for pair in comparison.pairs}
    rows = []
    for row in names[:-1]:
        cells: list[str | Cell] = [row]
        for column in names[1:]:
            pair = pairs.get((row, column))
            if pair is None:
                cells.append("")
                continue
            difference, low, high = (f"{round(x):+d}" for x in (pair.points, *pair.interval))
            text = f"{difference} [{low}, {high}]"
            cells.append(Cell(text, p_value(pair.p_holm), strong=pair.real))
        rows.append(cells)
    note = (
        "Row minus column in percentage points, on the same seeds, with an interval (Newcombe) and the "
        f"p-value of McNemar's exact test (Holm). Both are corrected for {len(pairs)} pairs: with 95% "
        f"confidence all intervals hold simultaneously. Bold: p < {ALPHA}."
    )
    return [TableBlock(Table(["", *names[1:]], rows, note)), Items(comparison.pair_statements)]


def _training_figures(comparison: Comparison, trainings: Mapping[str, TrainingRecord]) -> list[Figure]:
    figures = []
    curves = curves_plot(comparison, {name: training.rows for name, training in trainings.items()})
    if curves is not None:
        caption = (
            "Training loss, each policy on its own scale. Cross-entropy, noise error, and action distance "
            "measure different things: compare the shapes, not the heights."
        )
        figures.append(Figure(curves, caption))
    seconds = {
        name: (training.cpu_seconds, training.cpu_seconds)
        for name, training in trainings.items()
        if comparison.rate_of(name)
    }
    if seconds:
        plot = tradeoff_plot(comparison, seconds, "training [CPU seconds]", "training")
        figures.append(Figure(plot, "Success against the CPU time of the training, summed over threads."))
    return figures


def _stages(comparison: Comparison) -> Figures:
    note = (
        "Share of episodes by the furthest stage reached. With a swapped instruction, the stages still refer "
        "to the original object."
    )
    return Figures([Figure(stages_plot(comparison), note)])


def _resolution(comparison: Comparison) -> list[str]:
    """States the difference that these seeds could have detected."""
    if not comparison.pairs:
        return []
    coarse = max(comparison.pairs, key=lambda pair: pair.resolves)
    detects = (
        f"a true difference of {points(coarse.resolves)} is detected with a probability of 80%, a smaller "
        "one less often"
        if coarse.resolves < 100
        else "hardly any true difference would be detected"
    )
    return [f"With {coarse.table.n} shared seeds, {detects}. “Not distinguishable” does not mean “equal”."]


def _protocol(comparison: Comparison, trainings: Mapping[str, TrainingRecord]) -> list[Block]:
    """Tables with everything needed to repeat the comparison."""
    runs = [
        [
            name, f"{t.demonstrations} demonstrations", f"{t.updates} updates, {t.samples} samples",
            f"{duration(t.wall_seconds)} ({duration(t.cpu_seconds)} CPU)", f"{t.samples_per_second:.0f}/s",
            f"{t.parameters / 1e6:.2f} M", t.start, f"{t.device}, {t.threads} threads, {t.precision}",
            Cell(t.dataset[:16], code=True),
        ]
        for name, t in trainings.items()
    ]  # fmt: skip
    head = ["", "data", "budget", "time", "samples", "parameters", "initial weights", "device", "dataset"]
    first = next((r for r in comparison.results if r.policy != EXPERT), comparison.results[0])
    facts = [
        ["Task", comparison.task],
        ["Seeds", _seeds(comparison)],
        ["Execution", execution(first)],
        ["Inference", f"{first.lanes} lanes, {first.threads} threads; noise drawn per episode from its seed"],
        ["Chunk", _chunk(comparison)],
        *([f"Environment: {name}", json.dumps(value)] for name, value in first.spec.items()),
        ["Versions", ", ".join(f"{k} {v}" for k, v in sorted(first.versions.items()))],
        *(
            [f"Checkpoint of {name}", comparison.representative(name).checkpoint]
            for name in comparison.policies
        ),
    ]
    return [TableBlock(Table(head, runs)), TableBlock(Table(["", ""], facts), prose=True)]


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
    return f"{' or '.join(map(str, sorted(lengths)))} actions" if lengths else "not recorded"


def duration(seconds: float) -> str:
    """Formats a time: 93 -> "1 min 33 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
