"""Checkpoints of transformers: loaded completely or rejected, and settings that defer to them.

Where weights do not fit, transformers puts random ones in their place and reports it in a table on stderr;
here that is an error that names the first of them.

A configuration with a `checkpoint` has a class attribute SIZES: the defaults without a checkpoint. Its
`__post_init__` calls `settle`, so that a size is None exactly if the checkpoint determines it.
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..common.errors import InputError
from ..common.hub import checkpoint_files

WRAPPERS = {r"_orig_mod\.|_fsdp_wrapped_module\.|_checkpoint_wrapped_module\.": "", r"^(?:module\.)+": ""}
"""Parts of names that torch.compile and torch's data-parallel and checkpointing wrappers add -> nothing."""
EAGER: dict[str, Any] = {"attn_implementation": "eager"}
"""Plain attention for `from_pretrained`: torch's fused kernel is 1.5 times slower when training in bf16 on a
CPU."""
SHOWN = 3
"""Number of names listed in a message."""


@dataclass(frozen=True)
class Pixels:
    """Pixel normalization of a model: (x - mean) / std per channel, for x in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def to_dict(self) -> dict[str, list[float]]:
        """JSON-serializable form."""
        return {"mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, data: dict[str, list[float]]) -> "Pixels":
        """Inverse of `to_dict`."""
        return cls(tuple(data["mean"]), tuple(data["std"]))


def unwrapped(name: str) -> str:
    """Name of a weight without what WRAPPERS add to it."""
    for pattern, nothing in WRAPPERS.items():
        name = re.sub(pattern, nothing, name)
    return name


def settle(config: Any) -> None:
    """Fills in the SIZES that are None; with a checkpoint they remain None, since it determines them."""
    if config.checkpoint is None:
        for name, size in config.SIZES.items():
            if getattr(config, name) is None:
                object.__setattr__(config, name, size)


def with_checkpoint(config: Any, checkpoint: str) -> Any:
    """Returns `config` with a checkpoint that determines all of its SIZES, if it has any."""
    return dataclasses.replace(config, checkpoint=checkpoint, **dict.fromkeys(getattr(config, "SIZES", ())))


def leave_sizes(before: Any, after: Any) -> Any:
    """Returns the tree of dataclasses `before` with the checkpoints that only `after` has
    (`with_checkpoint`).

    Settings given along with a checkpoint can then be told from those that existed before it.
    """
    if type(before) is not type(after) or not dataclasses.is_dataclass(before) or isinstance(before, type):
        return before
    if (
        hasattr(before, "SIZES")
        and getattr(before, "checkpoint", None) is None
        and after.checkpoint is not None
    ):
        return with_checkpoint(before, after.checkpoint)
    parts = {f.name: getattr(before, f.name) for f in dataclasses.fields(before)}
    left = {name: leave_sizes(part, getattr(after, name)) for name, part in parts.items()}
    changed = {name: part for name, part in left.items() if part is not parts[name]}
    return dataclasses.replace(before, **changed) if changed else before


def check_sizes_of(config: Any, found: Mapping[str, Any], what: str) -> None:
    """Rejects a size of `config` that contradicts its checkpoint.

    Raises:
        ValueError: names the setting, both values, and the way out.
    """
    for name, size in found.items():
        asked = getattr(config, name)
        if asked is not None and asked != size:
            raise InputError(
                f"{what}: {name} {asked} contradicts checkpoint {config.checkpoint!r}, which has {size}; "
                f"leave {name} out (None)"
            )


def configuration(name: str, what: str) -> Any:
    """Loads the transformers configuration of a checkpoint; its `model_type` is "siglip", "llama", ...

    Args:
        name: folder or Hub name.
        what: kind of model, for messages ("encoder").

    Raises:
        ValueError: there is no such checkpoint, or it does not say what it is.
    """
    from transformers import AutoConfig

    if not Path(name).is_dir() and (Path(name).exists() or Path(name).is_absolute() or name[:1] in ".~"):
        raise InputError(f"{what} checkpoint {name!r} is not a folder")
    with checkpoint_files(f"{what} checkpoint", name) as local:
        return AutoConfig.from_pretrained(name, trust_remote_code=False, local_files_only=local)


def load(
    kind: Any, name: str, what: str, unused: str, spare: str = r"(?!)", **options: Any
) -> tuple[nn.Module, set[str]]:
    """Loads the model of a checkpoint in float32; also returns the names of `spare` parts that it lacks.

    Args:
        kind: class of transformers with `from_pretrained`.
        name: folder or Hub name.
        what: kind of model, for messages ("encoder").
        unused: pattern of names that the checkpoint may have beyond the model.
        spare: pattern of names that it may lack, since nothing uses them.
        options: options for `from_pretrained`.

    Raises:
        ValueError: it cannot be read, or one of its other weights is unknown, missing, or of another shape.
    """
    from transformers.utils import logging

    defaults: dict[str, Any] = {"dtype": torch.float32, "trust_remote_code": False, **EAGER}
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # its table of what does not fit; it is looked at here
    try:
        with checkpoint_files(f"{what} checkpoint", name) as local:
            model, report = kind.from_pretrained(
                name,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are in the report, with their names
                key_mapping=dict(WRAPPERS),
                local_files_only=local,
                **(defaults | options),
            )
    finally:
        logging.set_verbosity(verbosity)
    other = [
        f"{key} of shape {list(there)}, not {list(here)}" for key, there, here in report["mismatched_keys"]
    ]
    missing = set(report["missing_keys"])
    for problem, names in (
        ("has weights of other shapes than its config.json says", other),
        ("lacks weights that its config.json promises", [x for x in missing if not re.search(spare, x)]),
        ("has weights that its config.json has no place for", _not_in(unused, report["unexpected_keys"])),
    ):
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            raise InputError(
                f"{what} checkpoint {name!r} {problem}: {', '.join(sorted(names)[:SHOWN])}{more}"
            )
    return model, missing


def pixels_of(name: str, default: Pixels) -> Pixels:
    """Pixel normalization of the preprocessing stored with a checkpoint; `default` where none is stored.

    Raises:
        ValueError: it cannot be read or is not for RGB.
    """
    from transformers.utils.hub import cached_file

    quiet = {
        "_raise_exceptions_for_missing_entries": False,
        "_raise_exceptions_for_connection_errors": False,
    }
    for file, part in (("preprocessor_config.json", None), ("processor_config.json", "image_processor")):
        with checkpoint_files("encoder checkpoint", name) as local:
            path = cached_file(name, file, local_files_only=local, **quiet)
        if path is not None:
            try:
                stored = json.loads(Path(path).read_text(encoding="utf-8"))
                return _pixels(stored if part is None else stored.get(part, {}), default)
            except (OSError, ValueError, TypeError, AttributeError) as error:
                raise InputError(f"{file} of encoder checkpoint {name!r} cannot be used: {error}") from error
    return default


def _pixels(stored: dict[str, Any], default: Pixels) -> Pixels:
    # Statistics of pixels in 0..255, which are multiplied by the factor first.
    factor = 1.0
    if stored.get("do_rescale", True):
        factor = stored.get("rescale_factor") or 1 / 255
    mean, std = (0.0,) * 3, (1.0,) * 3
    if stored.get("do_normalize", True):
        mean, std = stored.get("image_mean") or default.mean, stored.get("image_std") or default.std
    rows = [row if isinstance(row, list | tuple) else (row,) * 3 for row in (mean, std)]
    if any(len(row) != 3 for row in rows) or not all(rows[1]):
        raise InputError(f"mean {list(rows[0])} and standard deviation {list(rows[1])} are not for RGB")
    return Pixels(*(tuple(round(float(x) / (255 * factor), 9) for x in row) for row in rows))


def _not_in(pattern: str, names: Any) -> list[str]:
    return [name for name in names if not re.search(pattern, name)]
