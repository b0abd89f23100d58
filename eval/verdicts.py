"""Sentences that say what a comparison shows, and never more than its number of episodes carries."""

from .cell import EXPERT, Cell
from .pairs import Pair

_CONTROLS = {
    "swapped_instruction": "told to take another object, {} still does the original task",
    "blank_image": "seeing blank images, {} does the task",
}


def verdicts(pairs: list[Pair], cells: list[Cell]) -> list[str]:
    """One sentence for each pair, each control, each policy with errors, and each thing that was not held equal."""
    return [
        *(_of_pair(pair, len(pairs)) for pair in pairs),
        *(sentence for cell in cells for sentence in _of_cell(cell)),
        *_unequal(cells),
    ]


def _of_pair(pair: Pair, tests: int) -> str:
    n = pair.table.n
    if n == 0:
        return f"{pair.first} and {pair.second}: no seed that both finished, so they cannot be compared."
    evidence = f"{points(pair.points)}, {p_value(pair.p_holm)}"
    if tests > 1:
        evidence += f" (corrected for {tests} pairs)"
    if pair.real:
        better, worse = (pair.first, pair.second) if pair.points > 0 else (pair.second, pair.first)
        return f"{better} succeeds more often than {worse} on the same {n} seeds: {evidence}."
    shown = f"this n resolves differences of about {points(pair.resolves)}"
    if pair.resolves >= 100:
        shown = "this n resolves no difference at all"
    return f"{pair.first} and {pair.second}: not distinguishable at n={n}: {evidence}; {shown}."


def _of_cell(cell: Cell) -> list[str]:
    result = cell.result
    sentences = []
    if result.condition in _CONTROLS:
        control = _CONTROLS[result.condition].format(result.policy)
        sentences.append(f"Control: {control} in {cell.counts} episodes, {cell.percent}.")
    if result.errors:
        sentences.append(
            f"Caution: {result.errors} of {cell.episodes} episodes of {result.policy} ({result.condition}) raised an "
            f"error and count neither as success nor as failure; its interval allows for both."
        )
    return sentences


def _unequal(cells: list[Cell]) -> list[str]:
    """What a fair comparison holds fixed and these results do not."""
    results = [cell.result for cell in cells if cell.result.policy != EXPERT]
    held = {
        "executed actions per chunk": {str(r.execute) for r in results},
        "lanes of the inference batch": {str(r.lanes) for r in results},
        "inference threads": {str(r.threads) for r in results},
        "action space": {str(r.spec.get("action_space")) for r in results},
        "package versions": {str(sorted(r.versions.items())) for r in results},
    }
    return [
        f"Caution: not the same for all policies: {name}." for name, values in held.items() if len(values) > 1
    ]


def points(difference: float) -> str:
    """ "12 points", without sign."""
    rounded = round(abs(difference))
    return f"{rounded} point{'' if rounded == 1 else 's'}"


def p_value(p: float) -> str:
    """ "p=0.031"; tiny ones as a bound."""
    return "p<0.001" if p < 0.001 else f"p={p:.2g}"
