"""Menagerie: real robots' models from MuJoCo Menagerie, with meshes light enough to render for policies.

Nothing of Menagerie is part of this package. A model is read from `$MENAGERIE_ROOT/<model>/`, a checkout, or
else through the package mujoco-menagerie, which downloads and keeps it. Each model has its own licence, the
file LICENSE beside it. Only what is seen and what moves is kept: bodies, joints, masses, visual meshes. These
have far more faces than an image of 100 pixels can show; they are reduced once and kept in the user's cache.
"""

import functools
import hashlib
import importlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..common.files import whole
from .gl import mujoco

KEPT = 0.08
"""Share of a mesh's faces that is kept."""
SMALL = 100
"""Meshes are not reduced below this many faces."""
VERSION = 1
"""Goes into the cache's keys; to be raised when the reduction changes."""

Mesh = tuple[np.ndarray, np.ndarray]
"""Vertices [v, 3] [m], faces [f, 3]."""


def folder(model: str) -> Path:
    """Where the files of `model` are.

    Raises:
        FileNotFoundError: they are not on this machine and cannot be had; the message says what to do.
    """
    advice = (
        f"set MENAGERIE_ROOT to a checkout of MuJoCo Menagerie, a folder that has {model}/ in it, or run "
        "`pip install mujoco-menagerie` and let it download the model once while the machine is online"
    )
    if root := os.environ.get("MENAGERIE_ROOT"):
        path = Path(root) / model
        if not path.is_dir():
            raise FileNotFoundError(f"MENAGERIE_ROOT={root} has no folder {model}; {advice}")
        return path
    try:
        menagerie = importlib.import_module("mujoco_menagerie")
    except ImportError as error:
        raise FileNotFoundError(f"the robot model {model} is not part of this package; {advice}") from error
    try:
        return Path(menagerie.get(model).path())
    except menagerie.MenagerieError as error:
        raise FileNotFoundError(f"the robot model {model} cannot be had: {error}; {advice}") from error


def load(model: str, entry: str) -> mujoco.MjSpec:
    """A `mujoco.MjSpec` of what `<model>/<entry>` looks like and how it moves, without actuators,
    constraints, sensors or collisions.

    Raises:
        FileNotFoundError: see `folder`.
        ImportError: its meshes must be reduced first and fast-simplification is not installed.
    """
    path = folder(model) / entry
    spec = mujoco.MjSpec.from_file(str(path))
    for part in (*spec.actuators, *spec.tendons, *spec.equalities, *spec.keys, *spec.sensors, *spec.lights):
        spec.delete(part)
    for part in (*spec.excludes, *spec.cameras, *spec.sites):
        spec.delete(part)
    for geom in list(spec.geoms):
        if _collides(geom):
            spec.delete(geom)
    reduced = _reduced(str(path))
    for mesh in list(spec.meshes):
        spec.delete(mesh)
    for name, (vertices, faces) in reduced.items():
        spec.add_mesh(name=name, uservert=vertices.ravel(), userface=faces.ravel())
    return spec


@functools.cache
def _reduced(path: str) -> dict[str, Mesh]:
    """The visual meshes of a model, by name, from the cache or reduced now."""
    spec = mujoco.MjSpec.from_file(path)
    wanted = sorted({geom.meshname for geom in spec.geoms if geom.meshname and not _collides(geom)})
    cached = _cache_folder() / f"{_digest(Path(path), spec)}.npz"
    if cached.exists():
        with np.load(cached) as arrays:
            return {name: (arrays[f"{name}:vertices"], arrays[f"{name}:faces"]) for name in wanted}
    compiled = spec.compile()
    meshes = {name: reduce_mesh(*_original(compiled, name)) for name in wanted}
    arrays: dict[str, Any] = {f"{name}:vertices": vertices for name, (vertices, _) in meshes.items()}
    arrays |= {f"{name}:faces": faces for name, (_, faces) in meshes.items()}
    with whole(cached) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **arrays)
    return meshes


def reduce_mesh(vertices: np.ndarray, faces: np.ndarray) -> Mesh:
    """A mesh of `KEPT` times as many faces that looks alike, by quadric error (Garland and Heckbert, "Surface
    simplification using quadric error metrics", 1997).

    Raises:
        ImportError: fast-simplification is not installed; not needed for small meshes.
    """
    # Vertices that were split for texture or shading must be one again, or the surface tears.
    merged, index = np.unique(np.round(vertices, 6), axis=0, return_inverse=True)
    corners = index.reshape(-1)[faces]
    proper = (corners != np.roll(corners, 1, axis=1)).all(axis=1)
    merged, corners = merged.astype(np.float32), corners[proper].astype(np.int32)
    share = max(KEPT, SMALL / max(len(corners), 1))
    if share >= 1:
        return merged, corners
    try:
        simplification = importlib.import_module("fast_simplification")
    except ImportError as error:
        raise ImportError(
            "the meshes of a real robot must be reduced before first use; "
            "run `pip install 'vlasandbox[meshes]'`"
        ) from error
    return simplification.simplify(merged, corners, target_reduction=1 - share)


def _original(model: mujoco.MjModel, name: str) -> Mesh:
    """A compiled mesh in the coordinates of its file; compilation has moved it to its principal axes."""
    mesh = model.mesh(name).id
    rotation = np.empty(9)
    mujoco.mju_quat2Mat(rotation, model.mesh_quat[mesh])
    start, faces = model.mesh_vertadr[mesh], model.mesh_faceadr[mesh]
    vertices = model.mesh_vert[start : start + model.mesh_vertnum[mesh]]
    return (
        vertices @ rotation.reshape(3, 3).T + model.mesh_pos[mesh],
        model.mesh_face[faces : faces + model.mesh_facenum[mesh]],
    )


def _collides(geom: mujoco.MjsGeom) -> bool:
    return bool(geom.contype or geom.conaffinity)


def _digest(path: Path, spec: mujoco.MjSpec) -> str:
    """Of the contents of a model's files, and of how they are reduced."""
    digest = hashlib.sha256(f"{VERSION} {KEPT} {SMALL}".encode())
    digest.update(path.read_bytes())
    for mesh in spec.meshes:
        digest.update((path.parent / spec.meshdir / mesh.file).read_bytes())
    return digest.hexdigest()[:24]


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "vlasandbox" / "meshes"
