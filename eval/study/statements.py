"""What a study says in sentences, and no more than its trainings and episodes can carry."""

import math
import statistics
from collections.abc import Sequence

from ...envs.seeds import TEST
from ..training_record import precision_cautions
from .power import WANTED, Power, power
from .summary import JUDGED, Row, Summary

WILD = 3.0
"""Times the median deviation between trainings, and 10 points: such a cell is not like the others."""
NAMED = 6
"""Cells that a sentence names before it counts the rest."""


def lead(summary: Summary) -> str:
    """How much was run."""
    rows = summary.rows
    trainings, episodes = ({getattr(row.success, name) for row in rows} for name in ("trainings", "episodes"))
    ways = len({row.way for row in rows})
    cells = 1 if JUDGED in rows[0].levels else len({row.label for row in rows})
    judged = f"judged in {ways} ways on" if ways > 1 else "judged on"
    return (
        f"{cells} cell{'s' * (cells > 1)} of {_span(trainings)} training{'s' * (trainings != {1})}, each "
        f"{judged} {_span(episodes)} episodes; all of them meet the same seeds."
    )


def headline(summary: Summary) -> list[str]:
    """For each way of judging who leads, and who cannot be told from the leader; a control has no leader."""
    sentences = []
    for judged in summary.judged:
        ranking = summary.ranking(judged)
        best = ranking[0]
        start = f"{judged}: " if len(summary.judged) > 1 else ""
        if best.results[0].condition != "test":
            sentences.append(f"{start}a control, in which {best.name} succeeds most, {percent(best)}.")
            continue
        apart = {
            frozenset((one.first, one.second))
            for one in summary.differences
            if one.real and one.within == judged
        }
        behind = [row.name for row in ranking if {row.label, best.label} in apart]
        level = [row.name for row in ranking[1:] if row.name not in behind]
        parts = [f"{start}{best.name} has the highest rate, {percent(best)} {interval(best)}."]
        if level:
            parts.append(f"Not distinguishable from it: {_listed(level)}.")
        if behind:
            parts.append(f"Less successful: {_listed(behind)}.")
        sentences.append(" ".join(parts))
    return sentences


def cautions(summary: Summary) -> list[str]:
    """Trainings without a result or unlike the others, episodes that raised, seeds that were not kept for the
    report, and packages that changed on the way."""
    results = [result for row in summary.rows for result in row.results]
    notes = [
        f"Caution: {errors} episodes of {row.name} ({row.judged}) raised an error. They count as not "
        "successful."
        for row in summary.rows
        if (errors := row.endings["error"])
    ]
    notes += [
        f"Caution: {share:.1%} of the chunks of {row.name} ({row.judged}) were no valid sequence of ids; its "
        "codec completed them."
        for row in summary.rows
        if (share := statistics.mean(result.undecodable for result in row.results))
    ]
    most = max(row.success.trainings for row in summary.rows)
    notes += [
        f"Caution: {row.name} has {row.success.trainings} trainings of {most} ({row.judged}); its rate is "
        "that of those which did not diverge."
        for row in summary.rows
        if row.success.trainings < most
    ]
    for judged in summary.judged:
        deviations = {row.name: row.success.between_trainings for row in summary.ranking(judged)}
        usual = statistics.median(deviations.values())
        wild = {name: own for name, own in deviations.items() if own > max(WILD * usual, 0.1)}
        if wild:
            listed = ", ".join(f"{name} by {100 * own:.0f} points" for name, own in wild.items())
            notes.append(
                f"Caution ({judged}): trainings differ far more than those of the median cell, which vary "
                f"by {100 * usual:.0f}: {listed}. Their rate says little about any one training."
            )
    notes += precision_cautions((row.name, one.precision) for row in summary.rows for one in row.trainings)
    if any(seed not in TEST for row in summary.rows for seed in row.seeds):
        notes.append("Caution: not all seeds are from the test range; policies may have been chosen on them.")
    if len({str(sorted(result.versions.items())) for result in results}) > 1:
        notes.append("Caution: not all results were made with the same versions of packages.")
    return notes


def limits(summary: Summary) -> list[str]:
    """What the study's numbers cannot tell."""
    rows = summary.rows
    half = max(row.interval[1] - row.interval[0] for row in rows) / 2
    items = [f"The widest interval is {100 * half:.0f} points to each side: smaller effects may hide in it."]
    found = power(summary.differences)
    if found is not None:
        items += _power(found)
    if not all(row.success.about_trainings for row in rows):
        items.append("With one training a cell, nothing here says how another training seed would do.")
    if summary.tuned is not None:
        items.append(
            f"Each cell took its level of “{summary.tuned}” by validation seeds and its first training: a "
            "finer or wider sweep may move it."
        )
    return [
        *items,
        "All of it holds for policies, tasks and data of this size, in simulation. Nothing was measured on "
        "hardware.",
    ]


def percent(row: Row) -> str:
    """ "94.1 %"."""
    return f"{100 * row.success.mean:.1f} %"


def interval(row: Row) -> str:
    """ "[91.2, 97.0]"."""
    low, high = (100 * end for end in row.interval)
    return f"[{low:.1f}, {high:.1f}]"


def _power(found: Power) -> list[str]:
    size = f"{_count(found.trainings, 'training')} of {found.episodes} episodes"
    level = f"tested at {100 * found.level:.2g} %, as the first step of Holm's correction asks"
    known = f"By the spread of all {found.pairs} pairs of cells, with {size} and {level},"
    items = [
        f"{known} a true difference of {100 * found.resolves:.0f} points would have been found with a "
        "probability of 80 %, a smaller one less often. “Not distinguishable” does not mean “equal”."
        if math.isfinite(found.resolves)
        else f"{known} hardly any true difference would have been found: “not distinguishable” says nothing."
    ]
    wanted = f"To find a difference of {100 * WANTED:.0f} points in the same way takes"
    ways = []
    if found.needed_trainings is not None:
        ways.append(
            f"{_count(found.needed_trainings, 'training')} a cell with {found.episodes} episodes each"
        )
    if found.needed_episodes is not None:
        ways.append(f"{found.needed_episodes} episodes with {_count(found.trainings, 'training')} a cell")
    if ways:
        text = f"{wanted} about {', or '.join(ways)}."
        if found.needed_episodes is None:
            text += f" With {found.trainings} trainings no number of episodes is enough."
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
