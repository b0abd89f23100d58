"""Data sources of `--data`: folders and names on the Hugging Face Hub, each with a weight or none."""

from pathlib import Path
from typing import Any

from ..common.errors import InputError


def sources(data: tuple[str, ...]) -> dict[str, Any]:
    """The fields of `DataConfig` for datasets that may have weights, such as "datasets/pick=3".

    Raises:
        ValueError: some have a weight and others none, or a weight is no number.
    """
    folders, weights = [], []
    for source in data:
        folder, equals, weight = source.rpartition("=")
        if not equals or Path(source).exists():
            folders.append(Path(source))
            continue
        try:
            weights.append(float(weight))
        except ValueError:
            raise InputError(f"--data {source}: the weight {weight!r} is not a number") from None
        folders.append(Path(folder))
    if weights and len(weights) < len(folders):
        raise InputError(f"--data {' '.join(data)}: give each dataset a weight, or none of them")
    mixed = len(folders) > 1
    return {
        "root": folders[0],
        "others": tuple(folders[1:]),
        "weights": tuple(weights) if mixed else (),
    }
