"""A study's folder holds one study, made by one version of the code from one version of the data.

OUT/study.json says which study, and which code made everything in OUT: whatever is trained or judged there
first makes sure that it is the same (`check_code_version`). So results of other code can be read and summed
up anew, but never be added to. It also says which precision "auto" is in this study, on whichever machine a
cell is trained or added.
"""

import hashlib
import json
import socket
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ...policies.config_io import from_dict, to_dict
from ..catalog import ROOT
from ..config import differences
from ..data.files import read_json, write_json
from ..machine import Precision, choose_device, choose_precision
from .definition import Point, Study, description

PACKAGES = ("common", "envs", "vision", "policies", "eval", "train")
DEPENDENCIES = ("torch", "mujoco", "numpy", "transformers", "diffusers")
"""Packages that decide results as our own code does."""
FILE = "study.json"
FORMER_PRECISION: Precision = "bf16"
"""The default where study.json says nothing: it was begun before there was "auto"."""
FORMER = {"judged": "evaluations", "tune": "sweep"}
"""Parts of a study's description that older files call something else."""


def code_fingerprint() -> str:
    """SHA-256 over the source of the packages and the versions of DEPENDENCIES, in hexadecimal."""
    total = hashlib.sha256(" ".join(f"{name} {version(name)}" for name in DEPENDENCIES).encode())
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        total.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def auto_precision(study: Study, out: Path) -> Precision:
    """The precision that "auto" is in this study: the one it was begun with in `out`; of a new study, the one
    that is best here (a GPU that the study names may be in another machine)."""
    if (out / FILE).exists():
        return read_json(out / FILE).get("auto_precision", FORMER_PRECISION)
    device = study.base.train.device
    return "bf16" if device.startswith("cuda") else choose_precision(choose_device(device)).precision


def open_manifest(study: Study, out: Path, *, auto: Precision, finished: bool) -> str:
    """Makes `out` the folder of this study; returns the fingerprint of the code that its results are of.

    A study may have grown since: more trainings, levels or ways of judging. What was added is kept for the
    report, since it was asked with the other results known.

    Args:
        study: without "auto" (`study.with_precision`).
        auto: what "auto" was resolved to.
        finished: whether nothing is left to train or judge: then other code may sum it up.

    Raises:
        ValueError: `out` holds another study, or an unfinished one of another version of the code.
    """
    path, asked = out / FILE, description(study)
    if not path.exists():
        write_json(path, {"study": asked, "code": code_fingerprint(), "auto_precision": auto})
    found, asked = read_json(path), json.loads(json.dumps(asked))
    begun = _renamed(found["study"])
    added, before = _growth(begun, asked)
    differing = _differences(begun, before)
    if differing:
        more = f"; and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise ValueError(
            f"{out} holds another study, or an earlier form of it: {'; '.join(differing[:3])}{more}. Choose "
            "another --out"
        )
    if not finished:
        check_code_version(out)
    if added:
        write_json(path, found | {"study": asked, "later": [*found.get("later", []), *added]})
    return found["code"]


def check_code_version(out: Path) -> None:
    """Whether this machine sees `out`, and the code here and now is the one that its study was begun with.

    Raises:
        ValueError: one of both is not so.
    """
    if not (out / FILE).exists():
        raise ValueError(
            f"machine {socket.gethostname()} sees no {out / FILE}: --out must be a folder that all machines "
            "share, with the same path on each"
        )
    found, here = read_json(out / FILE)["code"], code_fingerprint()
    if found != here:
        raise ValueError(
            f"{out} was begun with another version of the code or of a package ({found[:12]}; on "
            f"{socket.gethostname()} now {here[:12]}), and its results are not mixed with new ones: choose "
            "another --out, or go back to that version"
        )


def _renamed(study: dict[str, Any]) -> dict[str, Any]:
    """A stored description with the names that its parts have now."""
    return {FORMER.get(name, name): value for name, value in study.items()}


def _growth(there: dict[str, Any], here: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """Cells and ways of judging that `here` has beyond `there`, and the rest of it."""
    added, rest = [], dict(here)
    for part in ("cells", "evaluations"):
        added += [name for name in here[part] if name not in there[part]]
        rest[part] = {name: value for name, value in here[part].items() if name in there[part]}
    return added, rest


def _differences(there: dict[str, Any], here: dict[str, Any]) -> list[str]:
    """What differs between two descriptions; not where things are kept, or how often a checkpoint is made."""
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
    """A stored point; a field that it lacks was added since, and its default leaves everything as it was.

    Raises:
        ValueError: a field or value is none of this program's.
    """
    # The version of mujoco is part of the code's fingerprint, where another one does no harm to a summary.
    record = {name: value for name, value in stored["record"].items() if name != "mujoco"}
    try:
        return to_dict(from_dict(Point, stored | {"record": record | {"root": "data"}}))
    except ValueError as error:
        raise ValueError(f"the study was begun by another version of this program ({error})") from error
