"""Manifest of a study: OUT/study.json, which ties a folder to one study and one version of the code.

Every training and evaluation in OUT first checks that the code is the one in the manifest
(`check_code_version`), so that results of different code are never mixed; only the report may be rewritten
by other code. The manifest also fixes the precision that "auto" stands for, on all machines.
"""

import hashlib
import json
import socket
from dataclasses import fields
from pathlib import Path
from typing import Any

from ...common.errors import InputError
from ...common.versions import STUDY, recorded_versions
from ...envs.config import EnvConfig
from ...policies.config_io import from_dict, to_dict
from ...policies.execution import FORMER as FORMER_EXECUTION
from ..catalog import ROOT
from ..config import differences
from ..data.files import DatasetError, read_object, write_sealed
from ..machine import Precision, choose_device, choose_precision
from .definition import Point, Study, current_path, description

PACKAGES = ("common", "envs", "vision", "policies", "eval", "train")
FILE = "study.json"
FORMER_PRECISION: Precision = "bf16"
"""Precision of manifests without one, which are older than "auto"."""
FORMER = {"judged": "evaluations", "tune": "sweep"}
"""Keys of older descriptions, and their present names."""


def code_fingerprint() -> str:
    """SHA-256 over our source and the versions of what else decides results, in hexadecimal."""
    others = " ".join(f"{name} {number}" for name, number in recorded_versions(STUDY).items())
    total = hashlib.sha256(others.encode())
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        total.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def auto_precision(study: Study, out: Path) -> Precision:
    """Precision that "auto" stands for: the one in the manifest, or for a new study the best one here (its
    GPU may be in another machine)."""
    if (out / FILE).exists():
        return read_manifest(out).get("auto_precision", FORMER_PRECISION)
    device = study.base.train.device
    return "bf16" if device.startswith("cuda") else choose_precision(choose_device(device)).precision


def open_manifest(study: Study, out: Path, *, auto: Precision, finished: bool) -> str:
    """Writes or checks the manifest in `out`; returns the fingerprint of the code that makes the results.

    A study may grow: more trainings, levels, or evaluations. Additions are kept for the report, since they
    were made with the other results known.

    Args:
        study: without "auto" (see `with_precision`).
        out: folder of the study.
        auto: precision that "auto" stands for.
        finished: whether nothing is left to train or evaluate; then other code may rewrite the report.

    Raises:
        ValueError: `out` holds another study, or an unfinished one of another version of the code.
    """
    path, wanted = out / FILE, description(study)
    if not path.exists():
        write_sealed(path, {"study": wanted, "code": code_fingerprint(), "auto_precision": auto})
    found, wanted = read_manifest(out), json.loads(json.dumps(wanted))
    stored = current_names(found["study"])
    added, before = _growth(stored, wanted)
    differing = _differences(stored, before)
    if differing:
        more = f"; and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise InputError(
            f"{out} holds a different study, or an earlier form of this one: "
            f"{'; '.join(differing[:3])}{more}. Choose another --out"
        )
    if not finished:
        check_code_version(out)
    if added:
        write_sealed(path, found | {"study": wanted, "later": [*found.get("later", []), *added]})
    return found["code"]


def check_code_version(out: Path) -> None:
    """Checks that this machine sees `out`, and that its study was begun with the same version of the code.

    Raises:
        ValueError: the folder is not visible here, or the version of the code differs.
    """
    if not (out / FILE).exists():
        raise InputError(
            f"machine {socket.gethostname()} cannot see {out / FILE}: --out must be a folder that all "
            "machines share under the same path"
        )
    found, here = read_manifest(out)["code"], code_fingerprint()
    if found != here:
        raise InputError(
            f"{out} was begun with another version of the code or of a package ({found[:12]}; now "
            f"{here[:12]} on {socket.gethostname()}). Results of different versions are not mixed: choose "
            "another --out, or return to that version"
        )


def read_manifest(out: Path) -> dict[str, Any]:
    """The content of the study.json in `out`.

    Raises:
        DatasetError: it is damaged.
    """
    path, again = out / FILE, "copy it again from where it is whole, or choose another --out"
    found = read_object(path, again)
    study = found.get("study")
    fits = isinstance(study, dict) and isinstance(study.get("cells"), dict)
    if not fits or not isinstance(found.get("code"), str):
        raise DatasetError(f"{path} is damaged (it does not say which study it is of): {again}")
    return found


def current_names(study: dict[str, Any]) -> dict[str, Any]:
    """Replaces former names in a stored description by present ones."""
    study = {FORMER.get(name, name): value for name, value in study.items()}
    return study | {
        part: {
            name: {current_path(path): value for path, value in entries.items()}
            for name, entries in study[part].items()
        }
        for part in ("cells", "evaluations")
    }


def _growth(there: dict[str, Any], here: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """Cells and evaluations that `here` has beyond `there`, and `here` without them."""
    added, rest = [], dict(here)
    for part in ("cells", "evaluations"):
        added += [name for name in here[part] if name not in there[part]]
        rest[part] = {name: value for name, value in here[part].items() if name in there[part]}
    return added, rest


def _differences(there: dict[str, Any], here: dict[str, Any]) -> list[str]:
    """Differences between two descriptions, except in paths and in how often a checkpoint is written."""
    apart = sorted(there["cells"].keys() ^ here["cells"].keys())
    if apart:
        return [f"the cells are not the same ({apart[0]}, ...)"]
    found = differences(_without_cells(there), _without_cells(here))
    for name in here["cells"]:
        old, new = _resolved(there["cells"][name]), _resolved(here["cells"][name])
        parts = differences(old.pop("train"), new.pop("train"), "") + differences(old, new)
        found += [f"{name}: {part}" for part in parts]
    return found


def _without_cells(study: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in study.items() if name != "cells"}


def _resolved(stored: dict[str, Any]) -> dict[str, Any]:
    """A stored point with defaults for the fields that were added since, which leave everything as it was.

    Raises:
        ValueError: an unknown field or value.
    """
    # The version of MuJoCo is part of the code's fingerprint; a report may be rewritten with another one.
    record = {name: value for name, value in stored["record"].items() if name != "mujoco"}
    env = {f.name: record.pop(f.name) for f in fields(EnvConfig) if f.name in record}
    current = {
        "record": record | {"root": "data", "env": env},
        "evaluation": {FORMER_EXECUTION.get(name, name): x for name, x in stored["evaluation"].items()},
    }
    try:
        return to_dict(from_dict(Point, stored | current))
    except ValueError as error:
        raise InputError(f"the study was begun by another version of this program ({error})") from error
