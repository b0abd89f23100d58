"""Success drop under a perturbation: each perturbed episode paired with the control episode of the same seed.

Worked example: 97 of 100 control episodes succeed, and 61 of the perturbed ones; on 37 seeds only the control
succeeds, on 1 only the perturbed episode. The drop is 36 points, [26, 46], and the test compares 37 with 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...common.errors import InputError
from ..result import EvalResult
from ..stats.paired import paired_table
from ..stats.pairwise import PairwiseComparison, holm
from ..table import Cell, Table
from .score import SuccessRate
from .statements import p_value, points

SOLVABLE = 0.95
"""Success rate of the expert below which the task may be at fault rather than the policy: the rate that every
task's expert reaches when it is disturbed."""


@dataclass(frozen=True)
class PerturbedTrial:
    """One policy under one perturbation, and its control on the same seeds."""

    name: str
    """Perturbation: "camera=3"."""
    control: EvalResult
    perturbed: EvalResult
    expert: EvalResult | None = None
    """The expert on the perturbed episodes, which shows whether they can be solved."""

    @property
    def policy(self) -> str:
        """Name of the policy."""
        return self.perturbed.policy

    @property
    def axis(self) -> str:
        """Perturbed factor: "camera"."""
        return self.name.partition("=")[0]

    @property
    def level(self) -> str:
        """Level of the perturbation: "3"."""
        return self.name.partition("=")[2]

    def __str__(self) -> str:
        """One line: "flow, camera=3: control (unperturbed) 97/100, perturbed 61/100"."""
        control, perturbed = SuccessRate.of(self.control).counts, SuccessRate.of(self.perturbed).counts
        return f"{self.policy}, {self.name}: control (unperturbed) {control}, perturbed {perturbed}"


@dataclass(frozen=True)
class SuccessDrop:
    """Loss of success due to the perturbation of a trial."""

    trial: PerturbedTrial
    pair: PairwiseComparison
    """Control versus perturbed, corrected for all drops of the same analysis; `points` is the drop."""

    @property
    def interval(self) -> str:
        """Interval in percentage points: "[26, 46]"."""
        low, high = self.pair.interval
        return f"[{round(low)}, {round(high)}]"

    def __str__(self) -> str:
        """One line: that of the trial, and ", drop 36 [26, 46] points, p<0.001"."""
        drop = f"drop {round(self.pair.points)} {self.interval} points, {p_value(self.pair.p_holm)}"
        text = f"{self.trial}, {drop}"
        if self.pair.table.excluded:
            text += f"; seeds excluded because code raised: {len(self.pair.table.excluded)}"
        return text

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        trial = self.trial
        return {
            "policy": trial.policy,
            "axis": trial.axis,
            "level": trial.level,
            "control": SuccessRate.of(trial.control).to_dict(),
            "perturbed": SuccessRate.of(trial.perturbed).to_dict(),
            "expert": SuccessRate.of(trial.expert).to_dict() if trial.expert else None,
            "drop": self.pair.to_dict(),
        }


def drops(trials: list[PerturbedTrial]) -> list[SuccessDrop]:
    """Computes the drop of every trial, corrected for their number; by policy, the most harmful axis first.

    Raises:
        ValueError: a duplicate trial, or one whose seeds differ from its control's.
    """
    for trial in trials:
        if sum((a.policy, a.name) == (trial.policy, trial.name) for a in trials) > 1:
            raise InputError(
                f"two evaluations are called {trial.policy!r} ({trial.name}); give every policy a unique name"
            )
    tables = [paired_table(trial.control, trial.perturbed) for trial in trials]
    corrected = holm([table.p_value for table in tables])
    found = [
        SuccessDrop(trial, PairwiseComparison("control", trial.name, table, p, len(trials)))
        for trial, table, p in zip(trials, tables, corrected, strict=True)
    ]
    policies = list(dict.fromkeys(trial.policy for trial in trials))

    def harm(drop: SuccessDrop) -> float:
        same = [
            d.pair.points
            for d in found
            if (d.trial.policy, d.trial.axis) == (drop.trial.policy, drop.trial.axis)
        ]
        return max(same)

    return sorted(
        found, key=lambda d: (policies.index(d.trial.policy), -harm(d), d.trial.axis, d.trial.level)
    )


def drop_table(drops: Sequence[SuccessDrop], note: str = "") -> Table:
    """One row per drop; significant ones are bold."""
    head = ["policy", "axis", "level", "control", "perturbed", "drop", "95% interval", "p (Holm)", "expert"]
    rows = [
        [
            drop.trial.policy,
            drop.trial.axis,
            drop.trial.level,
            SuccessRate.of(drop.trial.control).counts,
            SuccessRate.of(drop.trial.perturbed).counts,
            Cell(str(round(drop.pair.points)), strong=drop.pair.real),
            drop.interval,
            p_value(drop.pair.p_holm).removeprefix("p").removeprefix("="),
            SuccessRate.of(drop.trial.expert).counts if drop.trial.expert else "-",
        ]
        for drop in drops
    ]
    return Table(head, rows, note)


def statements(drops: Sequence[SuccessDrop]) -> list[str]:
    """Statements about each policy, and a caution where the episodes themselves may be at fault."""
    sentences = []
    for policy in dict.fromkeys(drop.trial.policy for drop in drops):
        own = [drop for drop in drops if drop.trial.policy == policy]
        real, unclear = [d for d in own if d.pair.real], [d for d in own if not d.pair.real]
        for sign, says in ((1, "less"), (-1, "more")):
            named = [f"{d.trial.name} ({points(d.pair.points)})" for d in real if sign * d.pair.points > 0]
            if named:
                sentences.append(f"{policy} succeeds {says} often under {', '.join(named)}.")
        if unclear:
            detects = max(d.pair.resolves for d in unclear)
            resolution = (
                f"detects a drop of {points(detects)} with 80% power"
                if detects < 100
                else "detects hardly any drop"
            )
            named = ", ".join(d.trial.name for d in unclear)
            sentences.append(
                f"{policy}: no significant difference under {named}; "
                f"n={unclear[0].pair.table.n} {resolution}."
            )
    experts = {drop.trial.name: SuccessRate.of(drop.trial.expert) for drop in drops if drop.trial.expert}
    hard = [f"{name} ({rate.counts})" for name, rate in experts.items() if rate.rate < SOLVABLE]
    if hard:
        sentences.append(
            f"Caution: the expert fails too under {', '.join(hard)}; part of the drop may be due to the task."
        )
    return sentences
