"""Menagerie: models of real robots from MuJoCo Menagerie, with meshes light enough to render for policies.

Nothing from Menagerie is part of this package. A model is read from a checkout, `$MENAGERIE_ROOT/<model>/`,
or through the package mujoco-menagerie, which downloads and caches it. Each model has its own license, the
file LICENSE next to it. Only what is visible and what moves is kept: bodies, joints, masses, visual meshes.
The meshes have far more faces than an image of 100 pixels can show; they are reduced once and kept in the
user's cache.
"""

import functools
import hashlib
import importlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..common.errors import AbsentFileError, AbsentPackageError
from ..common.files import whole
from .gl import mujoco

KEPT = 0.08
"""Share of a mesh's faces that is kept."""
SMALL = 100
"""Number of faces below which meshes are not reduced."""
VERSION = 1
"""Version in the cache's keys, to be raised when the reduction changes."""

Mesh = tuple[np.ndarray, np.ndarray]
"""Vertices [v, 3] [m] and faces [f, 3]."""


def folder(model: str) -> Path:
    """Folder with the files of `model`.

    Raises:
        FileNotFoundError: they are neither on this machine nor available; the message says what to do.
    """
    advice = (
        f"set MENAGERIE_ROOT to a checkout of MuJoCo Menagerie, a folder that has {model}/ in it, or run "
        "`pip install mujoco-menagerie` and let it download the model once while the machine is online"
    )
    if root := os.environ.get("MENAGERIE_ROOT"):
        path = Path(root) / model
        if not path.is_dir():
            raise AbsentFileError(f"MENAGERIE_ROOT={root} has no folder {model}; {advice}")
        return path
    try:
        menagerie = importlib.import_module("mujoco_menagerie")
    except ImportError as error:
        raise AbsentFileError(f"the robot model {model} is not part of this package; {advice}") from error
    try:
        return Path(menagerie.get(model).path())
    except menagerie.MenagerieError as error:
        raise AbsentFileError(f"the robot model {model} is not available: {error}; {advice}") from error


def load(model: str, entry: str) -> mujoco.MjSpec:
    """Loads the appearance and the motion of `<model>/<entry>`, without actuators, constraints, sensors or
    collisions.

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
    """Visual meshes of a model by name, from the cache or reduced now."""
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
    """Reduces a mesh to `KEPT` times as many faces by quadric error (Garland and Heckbert, "Surface
    simplification using quadric error metrics", 1997).

    Raises:
        ImportError: fast-simplification is not installed; small meshes do not need it.
    """
    # Vertices that were split for texture or shading must be merged, or the surface tears.
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
        raise AbsentPackageError(
            "the meshes of a real robot must be reduced before first use; "
            "run `pip install 'vlasandbox[meshes]'`"
        ) from error
    return simplification.simplify(merged, corners, target_reduction=1 - share)


def _original(model: mujoco.MjModel, name: str) -> Mesh:
    """A compiled mesh in the coordinates of its file; the compiler has moved it to its principal axes."""
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
    """Digest of the contents of a model's files and of the reduction."""
    digest = hashlib.sha256(f"{VERSION} {KEPT} {SMALL}".encode())
    digest.update(path.read_bytes())
    for mesh in spec.meshes:
        digest.update((path.parent / spec.meshdir / mesh.file).read_bytes())
    return digest.hexdigest()[:24]


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "vlasandbox" / "meshes"
