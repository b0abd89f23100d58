"""Sentences about a comparison, none of which claims more than the number of episodes supports."""

from collections.abc import Sequence

from ...envs.seeds import TEST
from ..result import CONDITIONS, EXPERT, EvalResult
from ..stats.pairwise import PairwiseComparison
from .score import SuccessRate

_CONTROLS = {
    "swapped_instruction": "When the instruction names another object, the original task is still done in",
    "blank_image": "With blank images, the task is done in",
}

MAX_CONTROL_RATE = (
    "Max control rate: executed steps per chunk over the 95th percentile of a chunk's latency, on the "
    "evaluation machine. Above it, the robot runs out of actions before the next chunk arrives."
)


def ranking_statement(policies: Sequence[str], pairs: Sequence[PairwiseComparison]) -> str:
    """States how the other policies compare to the best one, the first of `policies`; empty for fewer than
    two."""
    if not pairs:
        return ""
    best = policies[0]
    against = {
        (pair.second if pair.first == best else pair.first): pair
        for pair in pairs
        if best in (pair.first, pair.second)
    }
    behind = [name for name, pair in against.items() if pair.real]
    tied = [name for name in against if name not in behind]
    parts = [f"Highest success rate: {best}."]
    if tied:
        parts.append(f"Not distinguishable from it on these seeds: {', '.join(tied)}.")
    if behind:
        parts.append(f"Less successful: {', '.join(behind)}.")
    return " ".join(parts)


def pair_statement(pair: PairwiseComparison) -> str:
    """States whether two policies differ, and if not, which difference would have been visible."""
    n = pair.table.n
    if n == 0:
        return f"{pair.first} and {pair.second} cannot be compared: no seed was finished by both."
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


def control_statements(rates: Sequence[SuccessRate]) -> list[str]:
    """Reports every control that was run, one sentence each."""
    sentences = []
    for condition in CONDITIONS:
        run = [rate for rate in rates if rate.result.condition == condition and rate.result.policy != EXPERT]
        if condition in _CONTROLS and run:
            numbers = ", ".join(f"{rate.counts} ({rate.result.policy})" for rate in run)
            upper = 100 * max(rate.interval[1] for rate in run)
            sentences.append(
                f"Control: {_CONTROLS[condition]} {numbers} episodes; no interval extends beyond "
                f"{upper:.1f}%."
            )
    return sentences


def cautions(rates: Sequence[SuccessRate]) -> list[str]:
    """Warns of episodes that raised, and of settings that a fair comparison would hold fixed."""
    errors = [
        f"Caution: {rate.result.errors} of {rate.episodes} episodes of {rate.result.policy} "
        f"({rate.result.condition}) raised an error. They count neither as success nor as failure, and the "
        "interval allows for both."
        for rate in rates
        if rate.result.errors
    ]
    errors += [
        f"Caution: {rate.result.missing} of {rate.episodes} episodes of {rate.result.policy} "
        f"({rate.result.condition}) are missing: their process died in every attempt. They count neither as "
        "success nor as failure; `vla eval` plays them again."
        for rate in rates
        if rate.result.missing
    ]
    results = [rate.result for rate in rates if rate.result.policy != EXPERT]
    held = {
        "executed actions per chunk": {str(r.execution) for r in results},
        "lanes of the inference batch": {str(r.lanes) for r in results},
        "inference threads": {str(r.threads) for r in results},
        "action space": {str(r.spec.get("action_space")) for r in results},
        "robot": {str(rate.result.spec.get("robot")) for rate in rates},
        "control rate": {str(rate.result.spec.get("control_hz")) for rate in rates},
        "package versions": {str(sorted(r.versions.items())) for r in results},
    }
    unequal = [name for name, values in held.items() if len(values) > 1]
    notes = [f"Caution: not the same for all policies: {name}." for name in unequal]
    if any(episode.seed not in TEST for result in results for episode in result.episodes):
        notes.append(
            "Caution: some seeds are outside the test range; policies may have been selected on them."
        )
    notes += [
        f"Caution: {result.undecodable:.1%} of the chunks of {result.policy} ({result.condition}) were not a "
        "valid sequence of ids; the codec completed them."
        for result in results
        if result.undecodable
    ]
    return errors + notes


def points(difference: float) -> str:
    """Formats a difference of success rates without its sign: "12 points"."""
    rounded = round(abs(difference))
    return f"{rounded} point{'' if rounded == 1 else 's'}"


def p_value(p: float) -> str:
    """Formats a p-value, a tiny one as a bound: "p=0.031", "p<0.001"."""
    return "p<0.001" if p < 0.001 else f"p={p:.2g}"


def execution(result: EvalResult) -> str:
    """Describes how chunks were executed."""
    how = result.execution
    text = f"{how.execution_horizon} actions per chunk"
    if how.inference_delay:
        meanwhile = "while the robot waits" if how.blocking else "while the previous chunk continues"
        text += f"; inference delay of {how.inference_delay} control steps, {meanwhile}"
    if how.rtc:
        text += "; real-time chunking"
    if how.ensemble is not None:
        text += f"; temporal ensemble of all predictions for a step, decay {how.ensemble:g}"
    if result.sampling:
        text += f"; sampled with {result.sampling}"
    return text
