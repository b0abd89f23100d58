"""Retired words are no part of any identifier: each thing has the field's name, and one name alone."""

import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("common", "envs", "vision", "policies", "train", "eval")
RETIRED = {
    "exam": "evaluation", "exams": "evaluations", "contestant": "target", "contestants": "targets",
    "judge": "evaluate", "judged": "evaluated", "judging": "evaluation", "tally": "collector",
    "verdict": "statement", "verdicts": "statements", "dealing": "spawn", "grey": "gray", "colour": "color",
    "centre": "center",
}  # fmt: skip
"""Word -> its replacement."""
ALIASES = {("train/study/definition.py", "judged"), ("envs/perturb/object_colour.py", "ObjectColour")}
"""(File, identifier) of names that study files and stored results of older versions use."""


def words(name: str) -> set[str]:
    """`is_judged` -> is, judged; `EvalTarget` -> eval, target."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


@pytest.mark.parametrize("room", ROOMS)
def test_no_identifier_has_a_retired_word(room: str):
    paths = sorted((ROOT / room).rglob("*.py"))
    assert paths
    for path in paths:
        place = path.relative_to(ROOT).as_posix()
        for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
            if token.type != tokenize.NAME or (place, token.string) in ALIASES:
                continue
            for word in words(token.string) & RETIRED.keys():
                pytest.fail(f"{place}:{token.start[0]}: {token.string}: write {RETIRED[word]}, not {word}")
