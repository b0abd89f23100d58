"""Integrity of what this program wrote: everything in a folder is verified by its checksums.

A thing is found by the files that declare it, so that one of which parts are missing is found too. Nothing is
imported that a file names, and no link is followed out of the folder.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from ..common.errors import AbsentFileError, InputError
from ..common.files import SEAL
from ..eval.result import FILE as RESULT
from ..eval.result import EvalResult
from ..eval.training_record import OPEN_LOOP, read_rows, read_summary
from ..policies.policy_files import AGAIN, CONFIG, FILES, WEIGHTS, PolicyError, not_finite, read_description
from .checkpoint import CheckpointError, read_progress, read_tensors
from .data import schema
from .data.cache import check_cache
from .data.commit import commit_interrupted
from .data.dataset import Dataset
from .data.episodes import read_learned
from .data.files import read_json, read_object
from .data.reading import AGAIN as DATA_AGAIN
from .data.staging import FOLDER as RECORDING
from .data.staging import check_staged, staged_seeds
from .log import METRICS, kept_rows

STATE = "state/resume.safetensors"
SUMMARY = "summary.json"
DIVERGED = "diverged.json"
STUDY = "study.json"
RESULTS = "results.json"
TUNING = "tuning.json"
CACHES = "frames*.npy"

NO_CHECKSUMS = "has no checksums; it can be read"


@dataclass(frozen=True)
class Finding:
    """Result for one thing that was checked."""

    kind: str
    """Kind of the thing: dataset, policy, run, evaluation, study or frames (a cache of them)."""
    path: Path
    note: str
    """Description of what was verified, or one sentence on what is damaged or missing, and the way back."""
    whole: bool
    """Whether the thing is what was written."""


def check_folder(folder: Path) -> Iterator[Finding]:
    """Checks all things in `folder` and below it, a folder before what is in it.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    if not folder.is_dir():
        raise AbsentFileError(f"there is no folder {folder}")
    for place, folders, names in os.walk(folder):
        path = Path(place)
        here = {*names, *(f"{name}/" for name in folders)}
        folders.sort()
        for kind, (declared, verify, way_back) in KINDS.items():
            if not declared(path, here):
                continue
            try:
                yield Finding(kind, path, verify(path), whole=True)
            except (OSError, ValueError) as error:
                message = " ".join(str(error).split())
                told = "again" in message
                yield Finding(kind, path, message if told else f"{message}: {way_back}", whole=False)
            if kind in ("dataset", "policy"):
                folders.clear()  # all that is in it was looked at
                break


def _is_dataset(path: Path, here: set[str]) -> bool:
    names = (schema.INFO, schema.OURS, schema.STATS, schema.TASKS)
    return f"{RECORDING}/" in here or ("meta/" in here and any((path / name).exists() for name in names))


def _dataset(path: Path) -> str:
    waiting = sum(staged_seeds(path).values())
    if (path / RECORDING / "settings.json").exists():
        read_object(path / RECORDING / "settings.json", "copy it again, or record into a new folder")
    for seed, success in staged_seeds(path).items():
        if success:
            check_staged(path, seed)
    if waiting and not (path / schema.OURS).exists():
        return f"an unfinished recording of {waiting} episodes, which the same `vla record` continues"
    if commit_interrupted(path):
        return "episodes were being added: the same `vla record` continues"
    dataset = Dataset.open(path)
    if dataset.recording is None and (path / schema.INITIAL_STATES).exists():  # which only ours have
        raise InputError(f"{path / schema.OURS} is missing")
    dataset.fingerprint  # noqa: B018, which reads all files
    for cache in (path / ".cache").glob(CACHES):
        check_cache(cache)
    listed = (dataset.recording or {}).get("files")
    return f"{len(dataset.lengths)} episodes; " + (_files(len(listed)) if listed else NO_CHECKSUMS)


def _is_policy(path: Path, here: set[str]) -> bool:
    """Whether a folder holds a policy of ours, and not another program's model, whose files have the same
    names."""
    if not here & {CONFIG, WEIGHTS}:
        return False
    try:
        described = json.loads((path / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return WEIGHTS in here
    if not isinstance(described, dict):
        return WEIGHTS in here
    return bool(described.keys() & {"architecture", FILES})


def _policy(path: Path) -> str:
    listed = read_description(path).get(FILES, {})
    try:
        tensors = load_file(path / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise PolicyError(f"{path / WEIGHTS} cannot be read ({error}): {AGAIN}") from error
    if name := not_finite(tensors):
        raise PolicyError(f"{path / WEIGHTS} has numbers in {name} that are not finite: {AGAIN}")
    return _files(len(listed)) if listed else NO_CHECKSUMS


def _is_run(path: Path, here: set[str]) -> bool:
    return bool(here & {SUMMARY, DIVERGED, METRICS}) or (path / STATE).exists()


def _run(path: Path) -> str:
    state, notes, progress = path / STATE, [], None
    if state.exists():
        read_tensors(state)
        progress = read_progress(state)
        assert progress is not None
        with safe_open(state, framework="pt") as file:
            sealed = "sha256" in (file.metadata() or {})
        notes.append(f"its checkpoint of {progress.step} updates " + ("verified" if sealed else NO_CHECKSUMS))
    if (path / "config.json").exists():
        read_object(path / "config.json")
    for name in (OPEN_LOOP, DIVERGED):
        if (path / name).exists():
            read_json(path / name, "delete it, and the same command writes it again")
    if not (path / SUMMARY).exists():
        if (path / METRICS).exists():
            kept_rows(path / METRICS, 0 if progress is None else progress.step)
        return "; ".join(["not finished: the same `vla train` continues", *notes])
    rows = read_summary(path).get("rows")
    read_rows(path / METRICS, rows if isinstance(rows, int) else 0)
    read_learned(path)
    if not (path / "policy").is_dir():
        way = "the same `vla train` makes it again"
        raise CheckpointError(f"{path / SUMMARY} says that it is finished, but its policy is missing: {way}")
    return "; ".join(["finished", *notes])


def _is_evaluation(path: Path, here: set[str]) -> bool:
    return RESULT in here


def _evaluation(path: Path) -> str:
    result = EvalResult.load(path)
    sealed = SEAL in json.loads((path / RESULT).read_text(encoding="utf-8"))
    return f"{len(result.episodes)} episodes; " + (_files(2) if sealed else NO_CHECKSUMS)


def _is_cache(path: Path, here: set[str]) -> bool:
    return any(fnmatch(name, CACHES) for name in here)


def _cache(path: Path) -> str:
    found = sorted(path.glob(CACHES))
    for cache in found:
        check_cache(cache)
    return _files(len(found))


def _is_study(path: Path, here: set[str]) -> bool:
    return STUDY in here


def _study(path: Path) -> str:
    found = _read_study(path / STUDY)
    for name in (RESULTS, TUNING):
        if (path / name).exists():
            read_json(path / name, "delete it, and the same `vla study` writes it again")
    cells = found["study"]["cells"]
    begun = sum((path / "cells" / name / done).exists() for name in cells for done in (SUMMARY, DIVERGED))
    if begun == 0 and (path / RESULTS).exists():
        raise InputError(
            f"{path} has results, but its trainings are missing: copy the folder again from where it is whole"
        )
    return f"{begun} trainings done; study and results verified"


def _read_study(path: Path) -> dict[str, Any]:
    """The content of a study.json.

    Raises:
        ValueError: it is none.
    """
    found = read_object(path, "copy it again from where it is whole, or choose another --out")
    study = found.get("study")
    if not isinstance(study, dict) or not isinstance(study.get("cells"), dict) or "code" not in found:
        raise InputError(f"{path} is damaged: it does not say which study it is of")
    return found


KINDS: dict[str, tuple[Callable[[Path, set[str]], bool], Callable[[Path], str], str]] = {
    "dataset": (_is_dataset, _dataset, DATA_AGAIN),
    "policy": (_is_policy, _policy, AGAIN),
    "study": (_is_study, _study, "copy it again from where it is whole, or choose another --out"),
    "run": (_is_run, _run, "delete the file, and the same `vla train` goes on, or begins again"),
    "frames": (_is_cache, _cache, "delete it, and the next training makes it again"),
    "evaluation": (_is_evaluation, _evaluation, "evaluate again, it is replaced"),
}
"""Kind -> whether a folder declares one; what verifies it, in a few words or by an OSError or ValueError; and
the way back, where the error does not say it."""


def _files(count: int) -> str:
    return f"{count} files verified"
