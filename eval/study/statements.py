"""Sentences about a study, none of which claims more than its trainings and episodes support."""

import math
import statistics
from collections.abc import Sequence

from ...envs.seeds import TEST
from ..training_record import precision_cautions
from .analysis import Analysis
from .power import WANTED, Power
from .summary import EVALUATION, Row, Summary

OUTLIER = 3.0
"""Deviation between trainings, in multiples of the median cell's, above which a cell is an outlier (if it
also exceeds 10 points)."""
NAMED = 6
"""Number of cells that a sentence names before it counts the rest."""


def lead(summary: Summary) -> str:
    """States the size of the study."""
    rows = summary.rows
    trainings, episodes = ({getattr(row.success, name) for row in rows} for name in ("trainings", "episodes"))
    evaluations = len({row.evaluation_name for row in rows})
    cells = 1 if EVALUATION in rows[0].levels else len({row.label for row in rows})
    times = f" under each of {evaluations} conditions" if evaluations > 1 else ""
    return (
        f"{_count(cells, 'cell')}, {_span(trainings)} training{'s' * (trainings != {1})} per cell, each "
        f"evaluated on {_span(episodes)} episodes{times}. All of them use the same seeds."
    )


def headline(summary: Summary) -> list[str]:
    """Names, for each evaluation, the best cell and the cells not distinguishable from it."""
    sentences = []
    for evaluation in summary.evaluations:
        ranking = summary.ranking(evaluation)
        best = ranking[0]
        start = f"{evaluation}: " if len(summary.evaluations) > 1 else ""
        if best.results[0].condition != "test":
            sentences.append(f"{start}Control condition; highest success: {best.name}, {percent(best)}.")
            continue
        significant = {
            frozenset((one.first, one.second))
            for one in summary.differences
            if one.real and one.within == evaluation
        }
        behind = [row.name for row in ranking if {row.label, best.label} in significant]
        tied = [row.name for row in ranking[1:] if row.name not in behind]
        parts = [f"{start}{best.name} has the highest success rate, {percent(best)} {interval(best)}."]
        if tied:
            parts.append(f"Not distinguishable from it: {_listed(tied)}.")
        if behind:
            parts.append(f"Less successful: {_listed(behind)}.")
        sentences.append(" ".join(parts))
    return sentences


def cautions(summary: Summary) -> list[str]:
    """Warns of failed or unusual trainings, episodes that raised, seeds outside the test range, and settings
    that changed during the study."""
    results = [result for row in summary.rows for result in row.results]
    notes = [
        f"Caution: {errors} episodes of {row.name} ({row.evaluation}) raised an error. They count as not "
        "successful."
        for row in summary.rows
        if (errors := row.endings["error"])
    ]
    notes += [
        f"Caution: {missing} episodes of {row.name} ({row.evaluation}) are missing: their process died in "
        "every attempt. They count as not successful."
        for row in summary.rows
        if (missing := row.endings["missing"])
    ]
    notes += [
        f"Caution: {share:.1%} of the chunks of {row.name} ({row.evaluation}) were not a valid sequence of "
        "ids; the codec completed them."
        for row in summary.rows
        if (share := statistics.mean(result.undecodable for result in row.results))
    ]
    most = max(row.success.trainings for row in summary.rows)
    notes += [
        f"Caution: {row.name} has {row.success.trainings} of {most} trainings ({row.evaluation}); its rate "
        "excludes those that diverged."
        for row in summary.rows
        if row.success.trainings < most
    ]
    for evaluation in summary.evaluations:
        deviations = {row.name: row.success.between_trainings for row in summary.ranking(evaluation)}
        usual = statistics.median(deviations.values())
        outliers = {name: own for name, own in deviations.items() if own > max(OUTLIER * usual, 0.1)}
        if outliers:
            listed = ", ".join(f"{name} by {100 * own:.0f} points" for name, own in outliers.items())
            notes.append(
                f"Caution ({evaluation}): trainings of some cells vary far more than the median cell's "
                f"{100 * usual:.0f} points: {listed}. The rate of such a cell predicts little about any one "
                "training."
            )
    notes += precision_cautions((row.name, one.precision) for row in summary.rows for one in row.trainings)
    if any(seed not in TEST for row in summary.rows for seed in row.seeds):
        notes.append(
            "Caution: some seeds are outside the test range; policies may have been selected on them."
        )
    if len({str(sorted(result.versions.items())) for result in results}) > 1:
        notes.append("Caution: the results were made with different package versions.")
    return notes


def limits(analysis: Analysis) -> list[str]:
    """States what the study's numbers cannot tell."""
    summary = analysis.summary
    half = max(row.interval[1] - row.interval[0] for row in summary.rows) / 2
    items = [f"The widest interval is ±{100 * half:.0f} points: it may hide smaller effects."]
    if analysis.power is not None:
        items += _power(analysis.power)
    if not all(row.success.about_trainings for row in summary.rows):
        items.append("With one training per cell, the results do not predict other training seeds.")
    if summary.tuned is not None:
        items.append(
            f"Each cell chose its level of “{summary.tuned}” on validation seeds with its first training: a "
            "finer or wider sweep may change it."
        )
    return [
        *items,
        "The results hold for policies, tasks, and data of this size, in simulation. Nothing was measured on "
        "hardware.",
    ]


def percent(row: Row) -> str:
    """Formats the success rate: "94.1%"."""
    return f"{100 * row.success.mean:.1f}%"


def interval(row: Row) -> str:
    """Formats the 95% interval in percent: "[91.2, 97.0]"."""
    low, high = (100 * end for end in row.interval)
    return f"[{low:.1f}, {high:.1f}]"


def _power(power: Power) -> list[str]:
    size = f"{_count(power.trainings, 'training')} of {power.episodes} episodes"
    level = f"tested at {100 * power.level:.2g}%, the first step of Holm's correction"
    known = f"Given the spread of all {power.pairs} pairs of cells, with {size} and {level},"
    items = [
        f"{known} a true difference of {100 * power.resolves:.0f} points is detected with a probability of "
        "80%, a smaller one less often. “Not distinguishable” does not mean “equal”."
        if math.isfinite(power.resolves)
        else f"{known} hardly any true difference would be detected: “not distinguishable” says nothing."
    ]
    wanted = f"Detecting a difference of {100 * WANTED:.0f} points in the same way takes"
    options = []
    if power.needed_trainings is not None:
        options.append(
            f"{_count(power.needed_trainings, 'training')} per cell with {power.episodes} episodes each"
        )
    if power.needed_episodes is not None:
        options.append(
            f"{power.needed_episodes} episodes with {_count(power.trainings, 'training')} per cell"
        )
    if options:
        text = f"{wanted} about {', or '.join(options)}."
        if power.needed_episodes is None:
            text += f" With {power.trainings} trainings, no number of episodes is enough."
        items.append(text)
    else:
        items.append(f"{wanted} both more trainings and more episodes.")
    return items


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' * (number != 1)}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _span(values: set[int]) -> str:
    return str(min(values)) if len(values) == 1 else f"{min(values)} to {max(values)}"
