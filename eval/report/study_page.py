"""The page of a study: who leads, what it takes, what differs, and what cannot be told."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..study.statements import cautions, headline, lead, limits
from ..study.summary import Summary
from ..study.tables import Table, costs, crossing_table, differences, motion, protocol, ranking
from ..study.thresholds import crossings
from ..video.clips import Clip
from .comparison import fitting
from .comparison_sections import films
from .html import Markup, document, element, figure, section, table
from .study_figures import along, curves, latency, maps, stages
from .study_plots import forest

OPEN = 12
"""Rows of a table of differences that is not folded away."""
FOREST = 40
"""Rows of the plot of all intervals."""


def page(question: str, summary: Summary, fixed: Mapping[str, Any], clips: Sequence[Clip] = ()) -> str:
    """A self-contained HTML page.

    Args:
        fixed: what was held fixed, name -> value, for the protocol.
        clips: videos to put into it, the most important first.
    """
    shown = fitting(clips)
    said = [element("li", sentence) for sentence in [*headline(summary), *cautions(summary)]]
    return document(
        question,
        element("h1", question),
        element("p", lead(summary), class_="lead"),
        element("ul", said, class_="verdicts"),
        _ranking(summary),
        *_axes(summary),
        maps(summary),
        films(shown, [clip for clip in clips if clip not in shown]),
        _differences(summary),
        stages(summary),
        section("How the policies move", _table(motion(summary))),
        _costs(summary),
        curves(summary),
        section(
            "What this study cannot tell", element("ul", [element("li", item) for item in limits(summary)])
        ),
        section("Protocol", element("div", _table(protocol(summary, fixed)), class_="protocol")),
    )


def _table(of: Table) -> Markup:
    return table(of.head, of.rows, of.note)


def _ranking(summary: Summary) -> Markup:
    first, *others = summary.judged
    plots = [
        figure(
            forest("forest", summary.ranking(first)[:FOREST]),
            "Success with 95 % interval over trainings and episodes; at the right the groups.",
        ),
        latency(summary),
    ]
    return section(
        "Results",
        element("h3", first) if others else "",
        _table(ranking(summary.ranking(first), summary.tuned)),
        element("div", plots, class_="figures"),
        [_further(judged, summary, folded=len(others) > 2) for judged in others],
    )


def _further(judged: str, summary: Summary, *, folded: bool) -> Markup:
    of = ranking(summary.ranking(judged), summary.tuned)
    content = table(of.head, of.rows)
    if folded:
        return element("details", element("summary", judged), content)
    return Markup(element("h3", judged) + content)


def _axes(summary: Summary) -> list[Markup]:
    return [
        section(
            f"Along {scale.label}",
            element("div", along(summary, scale, i), class_="figures"),
            _table(crossing_table(found, scale)),
        )
        for i, (scale, found) in enumerate(crossings(summary))
    ]


def _differences(summary: Summary) -> Markup:
    parts = [_pairs(differences(summary), len(summary.differences), "Cells")] if summary.differences else []
    if summary.ways:
        of = differences(summary, ways=True)
        parts.append(_pairs(of, len(summary.ways), "Ways of judging the same policies"))
    return section("Differences", *parts) if parts else Markup()


def _pairs(of: Table, pairs: int, title: str) -> Markup:
    content: Markup = _table(of)
    if not of.rows:
        content = element("p", f"None of {pairs} pairs differ (5 % in all, Holm's correction).")
    elif len(of.rows) > OPEN:
        content = element("details", element("summary", f"All {len(of.rows)} pairs that differ"), content)
    return Markup(element("h3", title) + content)


def _costs(summary: Summary) -> Markup:
    of = costs(summary)
    return section("Cost", _table(of)) if of else Markup()
