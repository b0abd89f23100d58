"""What a perturbation costs a policy: every perturbed episode beside the unperturbed one of the same seed.

Worked example: 97 of 100 control episodes succeed and 61 of the same seeds perturbed, 37 only unperturbed and
1 only perturbed. The drop is 36 points, [26, 46], and the test is about 37 against 1.
"""

from dataclasses import dataclass
from typing import Any

from ..result import EvalResult
from ..stats.paired import paired_table
from ..stats.pairwise import PairwiseComparison, holm
from .score import SuccessRate
from .statements import p_value, points
from .text_table import aligned

SOLVABLE = 0.95
"""Success of the expert below which a task may be at fault, not the policy: what every task's expert reaches
when it is disturbed."""


@dataclass(frozen=True)
class PerturbedTrial:
    """One policy under one perturbation, and its control on the same seeds."""

    name: str
    """The perturbation, "camera=3"."""
    control: EvalResult
    perturbed: EvalResult
    expert: EvalResult | None = None
    """On the perturbed episodes: whether they can be solved."""

    @property
    def policy(self) -> str:
        """Whose episodes they are."""
        return self.perturbed.policy

    @property
    def axis(self) -> str:
        """ "camera"."""
        return self.name.partition("=")[0]

    @property
    def level(self) -> str:
        """ "3"."""
        return self.name.partition("=")[2]

    def __str__(self) -> str:
        """ "flow, camera=3: control (unperturbed) 97/100, perturbed 61/100"."""
        control, perturbed = SuccessRate.of(self.control).counts, SuccessRate.of(self.perturbed).counts
        return f"{self.policy}, {self.name}: control (unperturbed) {control}, perturbed {perturbed}"


@dataclass(frozen=True)
class SuccessDrop:
    """What the perturbation of a trial costs."""

    trial: PerturbedTrial
    pair: PairwiseComparison
    """Control against perturbed, corrected for all drops it was found with; `points` is the drop."""

    @property
    def interval(self) -> str:
        """ "[26, 46]", in points."""
        low, high = self.pair.interval
        return f"[{round(low)}, {round(high)}]"

    def __str__(self) -> str:
        """The trial's, and ", drop 36 [26, 46] points, p<0.001"."""
        drop = f"drop {round(self.pair.points)} {self.interval} points, {p_value(self.pair.p_holm)}"
        text = f"{self.trial}, {drop}"
        if self.pair.table.excluded:
            text += f"; {len(self.pair.table.excluded)} seeds left out, where code raised"
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
    """The drop of every trial, corrected for their number: policy by policy, the most harmful axis first.

    Raises:
        ValueError: a trial twice, or one whose seeds are not those of its control.
    """
    for trial in trials:
        if sum((a.policy, a.name) == (trial.policy, trial.name) for a in trials) > 1:
            raise ValueError(
                f"two evaluations are called {trial.policy!r} ({trial.name}); give every policy a name of "
                "its own"
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


def rows(found: list[SuccessDrop]) -> list[list[str]]:
    """A heading and a row for each drop."""
    head = ["policy", "axis", "level", "control", "perturbed", "drop", "95 % interval", "p (Holm)", "expert"]
    return [
        head,
        *(
            [
                drop.trial.policy,
                drop.trial.axis,
                drop.trial.level,
                SuccessRate.of(drop.trial.control).counts,
                SuccessRate.of(drop.trial.perturbed).counts,
                str(round(drop.pair.points)),
                drop.interval,
                p_value(drop.pair.p_holm).removeprefix("p").removeprefix("="),
                SuccessRate.of(drop.trial.expert).counts if drop.trial.expert else "-",
            ]
            for drop in found
        ),
    ]


def table(found: list[SuccessDrop]) -> str:
    """Plain text for a terminal."""
    return aligned(rows(found), left=2)


def verdicts(found: list[SuccessDrop]) -> list[str]:
    """What the drops of each policy show, and where the episodes themselves may be at fault."""
    sentences = []
    for policy in dict.fromkeys(drop.trial.policy for drop in found):
        mine = [drop for drop in found if drop.trial.policy == policy]
        real, unclear = [d for d in mine if d.pair.real], [d for d in mine if not d.pair.real]
        for sign, says in ((1, "less"), (-1, "more")):
            named = [f"{d.trial.name} ({points(d.pair.points)})" for d in real if sign * d.pair.points > 0]
            if named:
                sentences.append(f"{policy} succeeds {says} often under {', '.join(named)}.")
        if unclear:
            finds = max(d.pair.resolves for d in unclear)
            resolution = (
                f"a drop of {points(finds)} would have been found with 80 % probability"
                if finds < 100
                else "hardly any drop would have been found"
            )
            named = ", ".join(d.trial.name for d in unclear)
            sentences.append(
                f"{policy}: no difference established under {named}; "
                f"at n={unclear[0].pair.table.n} {resolution}."
            )
    judged = {drop.trial.name: SuccessRate.of(drop.trial.expert) for drop in found if drop.trial.expert}
    hard = [f"{name} ({cell.counts})" for name, cell in judged.items() if cell.rate < SOLVABLE]
    if hard:
        sentences.append(
            f"Caution: the expert too fails under {', '.join(hard)}: part of the drop may be the task's."
        )
    return sentences
