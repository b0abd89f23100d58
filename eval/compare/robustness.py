"""What a perturbation costs a policy: every perturbed episode beside the unperturbed one of the same seed.

Worked example: 97 of 100 control episodes succeed and 61 of the same seeds perturbed, 37 only unperturbed and
1 only perturbed. The drop is 36 points, [26, 46], and the test is about 37 against 1.
"""

from dataclasses import dataclass
from typing import Any

from ..result import EvalResult
from ..stats.paired import paired_table
from ..stats.pairwise import Pair, holm
from .score import Cell
from .statements import p_value, points
from .text_table import aligned

SOLVABLE = 0.95
"""Success of the expert below which a task may be at fault, not the policy: what every task's expert reaches
when it is disturbed."""


@dataclass(frozen=True)
class Arm:
    """One policy under one perturbation, and the control arm of the same seeds."""

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
        control, perturbed = Cell.of(self.control).counts, Cell.of(self.perturbed).counts
        return f"{self.policy}, {self.name}: control (unperturbed) {control}, perturbed {perturbed}"


@dataclass(frozen=True)
class Drop:
    """What the perturbation of an arm costs."""

    arm: Arm
    pair: Pair
    """Control against perturbed, corrected for all drops it was found with; `points` is the drop."""

    @property
    def interval(self) -> str:
        """ "[26, 46]", in points."""
        low, high = self.pair.interval
        return f"[{round(low)}, {round(high)}]"

    def __str__(self) -> str:
        """The arm's, and ", drop 36 [26, 46] points, p<0.001"."""
        drop = f"drop {round(self.pair.points)} {self.interval} points, {p_value(self.pair.p_holm)}"
        text = f"{self.arm}, {drop}"
        if self.pair.table.excluded:
            text += f"; {len(self.pair.table.excluded)} seeds left out, where code raised"
        return text

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        arm = self.arm
        return {
            "policy": arm.policy,
            "axis": arm.axis,
            "level": arm.level,
            "control": Cell.of(arm.control).to_dict(),
            "perturbed": Cell.of(arm.perturbed).to_dict(),
            "expert": Cell.of(arm.expert).to_dict() if arm.expert else None,
            "drop": self.pair.to_dict(),
        }


def drops(arms: list[Arm]) -> list[Drop]:
    """The drop of every arm, corrected for their number: policy by policy, the most harmful axis first.

    Raises:
        ValueError: an arm twice, or one whose seeds are not those of its control.
    """
    for arm in arms:
        if sum((a.policy, a.name) == (arm.policy, arm.name) for a in arms) > 1:
            raise ValueError(
                f"two evaluations are called {arm.policy!r} ({arm.name}); give every policy a name of its own"
            )
    tables = [paired_table(arm.control, arm.perturbed) for arm in arms]
    corrected = holm([table.p_value for table in tables])
    found = [
        Drop(arm, Pair("control", arm.name, table, p, len(arms)))
        for arm, table, p in zip(arms, tables, corrected, strict=True)
    ]
    policies = list(dict.fromkeys(arm.policy for arm in arms))

    def harm(drop: Drop) -> float:
        same = [
            d.pair.points for d in found if (d.arm.policy, d.arm.axis) == (drop.arm.policy, drop.arm.axis)
        ]
        return max(same)

    return sorted(found, key=lambda d: (policies.index(d.arm.policy), -harm(d), d.arm.axis, d.arm.level))


def rows(found: list[Drop]) -> list[list[str]]:
    """A heading and a row for each drop."""
    head = ["policy", "axis", "level", "control", "perturbed", "drop", "95 % interval", "p (Holm)", "expert"]
    return [
        head,
        *(
            [
                drop.arm.policy,
                drop.arm.axis,
                drop.arm.level,
                Cell.of(drop.arm.control).counts,
                Cell.of(drop.arm.perturbed).counts,
                str(round(drop.pair.points)),
                drop.interval,
                p_value(drop.pair.p_holm).removeprefix("p").removeprefix("="),
                Cell.of(drop.arm.expert).counts if drop.arm.expert else "-",
            ]
            for drop in found
        ),
    ]


def table(found: list[Drop]) -> str:
    """Plain text for a terminal."""
    return aligned(rows(found), left=2)


def verdicts(found: list[Drop]) -> list[str]:
    """What the drops of each policy show, and where the episodes themselves may be at fault."""
    sentences = []
    for policy in dict.fromkeys(drop.arm.policy for drop in found):
        mine = [drop for drop in found if drop.arm.policy == policy]
        real, unclear = [d for d in mine if d.pair.real], [d for d in mine if not d.pair.real]
        for sign, says in ((1, "less"), (-1, "more")):
            named = [f"{d.arm.name} ({points(d.pair.points)})" for d in real if sign * d.pair.points > 0]
            if named:
                sentences.append(f"{policy} succeeds {says} often under {', '.join(named)}.")
        if unclear:
            finds = max(d.pair.resolves for d in unclear)
            resolution = (
                f"a drop of {points(finds)} would have been found with 80 % probability"
                if finds < 100
                else "hardly any drop would have been found"
            )
            named = ", ".join(d.arm.name for d in unclear)
            sentences.append(
                f"{policy}: no difference established under {named}; "
                f"at n={unclear[0].pair.table.n} {resolution}."
            )
    judged = {drop.arm.name: Cell.of(drop.arm.expert) for drop in found if drop.arm.expert}
    hard = [f"{name} ({cell.counts})" for name, cell in judged.items() if cell.rate < SOLVABLE]
    if hard:
        sentences.append(
            f"Caution: the expert too fails under {', '.join(hard)}: part of the drop may be the task's."
        )
    return sentences
