"""Sentences that say what a comparison shows, and never more than its number of episodes carries."""

from ...envs.seeds import TEST
from ..result import CONDITIONS, EXPERT, EvalResult
from ..stats.pairwise import PairwiseComparison
from .score import SuccessRate

_CONTROLS = {
    "swapped_instruction": "told to take another object, a policy still does the original task in",
    "blank_image": "seeing blank images, a policy does the task in",
}

HOLDS = (
    "Holds up to: executed steps of a chunk over the 95th percentile of its time, on the machine that "
    "judged; at a higher control rate they are over before the next chunk is there, even if it is computed "
    "meanwhile."
)


def summary(policies: list[str], pairs: list[PairwiseComparison]) -> str:
    """Where the policies stand to the one that succeeds most often, which comes first in `policies`.

    Empty with less than two policies.
    """
    if not pairs:
        return ""
    best = policies[0]
    against = {
        (pair.second if pair.first == best else pair.first): pair
        for pair in pairs
        if best in (pair.first, pair.second)
    }
    behind = [name for name, pair in against.items() if pair.real]
    level = [name for name in against if name not in behind]
    parts = [f"No policy succeeds more often than {best}."]
    if level:
        parts.append(f"Not distinguishable from it on these seeds: {', '.join(level)}.")
    if behind:
        parts.append(f"Less successful: {', '.join(behind)}.")
    return " ".join(parts)


def of_pair(pair: PairwiseComparison) -> str:
    """Whether the two differ, and if not, what could have been seen."""
    n = pair.table.n
    if n == 0:
        return f"{pair.first} and {pair.second}: no seed that both finished, so they cannot be compared."
    evidence = f"{points(pair.points)}, {p_value(pair.p_holm)}"
    if pair.tests > 1:
        evidence += f" (corrected for {pair.tests} pairs)"
    if pair.real:
        better, worse = (pair.first, pair.second) if pair.points > 0 else (pair.second, pair.first)
        return f"{better} succeeds more often than {worse} on the same {n} seeds: {evidence}."
    if pair.resolves < 100:
        resolution = f"this n resolves differences of about {points(pair.resolves)}"
    else:
        resolution = "this n resolves no difference at all"
    return f"{pair.first} and {pair.second}: not distinguishable at n={n}: {evidence}; {resolution}."


def of_controls(cells: list[SuccessRate]) -> list[str]:
    """One sentence for each control that was run."""
    sentences = []
    for condition in CONDITIONS:
        run = [cell for cell in cells if cell.result.condition == condition and cell.result.policy != EXPERT]
        if condition in _CONTROLS and run:
            numbers = ", ".join(f"{cell.counts} ({cell.result.policy})" for cell in run)
            upper = 100 * max(cell.interval[1] for cell in run)
            sentences.append(
                f"Control: {_CONTROLS[condition]} {numbers} episodes; the intervals end at {upper:.1f} % or "
                "below."
            )
    return sentences


def cautions(cells: list[SuccessRate]) -> list[str]:
    """Episodes that raised, and what a fair comparison holds fixed and these results do not."""
    errors = [
        f"Caution: {cell.result.errors} of {cell.episodes} episodes of {cell.result.policy} "
        f"({cell.result.condition}) raised an error. They count neither as success nor as failure, and the "
        "interval allows for both."
        for cell in cells
        if cell.result.errors
    ]
    results = [cell.result for cell in cells if cell.result.policy != EXPERT]
    held = {
        "executed actions per chunk": {str(r.execution) for r in results},
        "lanes of the inference batch": {str(r.lanes) for r in results},
        "inference threads": {str(r.threads) for r in results},
        "action space": {str(r.spec.get("action_space")) for r in results},
        "robot": {str(cell.result.spec.get("robot")) for cell in cells},
        "control rate": {str(cell.result.spec.get("control_hz")) for cell in cells},
        "package versions": {str(sorted(r.versions.items())) for r in results},
    }
    unequal = [name for name, values in held.items() if len(values) > 1]
    notes = [f"Caution: not the same for all policies: {name}." for name in unequal]
    if any(episode.seed not in TEST for result in results for episode in result.episodes):
        notes.append("Caution: not all seeds are from the test range; policies may have been chosen on them.")
    notes += [
        f"Caution: {result.undecodable:.1%} of the chunks of {result.policy} ({result.condition}) were no "
        "valid sequence of ids; its codec completed them."
        for result in results
        if result.undecodable
    ]
    return errors + notes


def points(difference: float) -> str:
    """ "12 points", without sign."""
    rounded = round(abs(difference))
    return f"{rounded} point{'' if rounded == 1 else 's'}"


def p_value(p: float) -> str:
    """ "p=0.031"; tiny ones as a bound."""
    return "p<0.001" if p < 0.001 else f"p={p:.2g}"


def execution(result: EvalResult) -> str:
    """How the chunks were executed, in words."""
    how = result.execution
    text = f"{how.execute} actions, then the policy is asked again"
    if how.delay:
        meanwhile = "the robot waits for it" if how.wait else "until then the last one goes on"
        text += f"; its answer comes {how.delay} control steps late, {meanwhile}"
    if how.guided:
        text += "; it goes on from the last one (real-time chunking)"
    if how.ensemble is not None:
        text += f"; executed is the average of all answers for a step, decay {how.ensemble:g}"
    if result.sampling:
        text += f"; sampled with {result.sampling}"
    return text
