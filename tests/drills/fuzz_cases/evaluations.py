"""Stored evaluations."""

import json
from pathlib import Path
from typing import Any

from made_up_results import result

from vlasandbox.eval.compare.comparison import compare
from vlasandbox.eval.result import EvalResult, _plain

from ..fuzz import FuzzCase
from ..spoiling import any_file, any_json, one_of

NAMES = ("flow", "regression")


def _make(folder: Path) -> None:
    for name, outcomes in zip(NAMES, ("sfte", "ssfm"), strict=True):
        result(name, outcomes).save(folder / name)


def _read(folder: Path) -> Any:
    results = [EvalResult.load(folder / name) for name in NAMES]
    comparison = compare(results)
    json.dumps(comparison.to_dict())
    arrays = [
        [None if x is None else x.tobytes().hex() for x in (e.actions, e.path)] + [str(e.chunks)]
        for one in results
        for e in one.episodes
    ]
    rows = [str(_plain(x)) for one in results for x in (one, *one.episodes)]
    return [comparison.table(), comparison.statements, rows, arrays]


CASES = {
    "evaluation result.json": FuzzCase(
        _make,
        one_of(
            [
                any_file("flow/result.json"),
                any_json("flow/result.json", sealed=True),
                *[any_json("flow/result.json", sealed=False)] * 4,
            ]
        ),
        _read,
        450,
    ),
    "evaluation npz": FuzzCase(_make, any_file("flow/*.npz"), _read, 300),
}
