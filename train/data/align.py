"""Cameras and dimensions of a dataset in another order: their names say which is which, not their places."""

from dataclasses import replace
from typing import Any

from .dataset import Dataset

Names = tuple[str, ...]


def aligned(dataset: Dataset, cameras: Names, state: Names | None, action: Names | None) -> Dataset:
    """`dataset` with its cameras, and the numbers of its state and action, in the order of these names.

    What is called otherwise, or not at all, stays as it is; so does the meaning of our own actions.
    """
    changes: dict[str, Any] = {}
    if (views := _order(cameras, dataset.cameras)) is not None:
        place = {view: number for number, view in enumerate(views)}
        changes = {
            "cameras": cameras,
            "image_sizes": tuple(dataset.image_sizes[view] for view in views),
            "runs": [replace(run, camera=place[run.camera]) for run in dataset.runs],
        }
        if dataset.target_uv is not None:
            changes["target_uv"] = dataset.target_uv[:, views]
    wanted = {"state": state, "action": action} if dataset.spec_dict is None else {}
    for name, names in wanted.items():
        there = getattr(dataset, f"{name}_names")
        if names and there and (columns := _order(names, there)) is not None:
            changes |= {name: getattr(dataset, name)[:, columns], f"{name}_names": names}
    return replace(dataset, **changes, reordered=True) if changes else dataset


def _order(wanted: Names, there: Names) -> list[int] | None:
    """Index of each of `wanted`; None if it is the same order, or they are not the same names."""
    if wanted == there or sorted(wanted) != sorted(there):
        return None
    return [there.index(name) for name in wanted]
