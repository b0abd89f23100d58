"""Checkpoints of transformers: loaded whole or refused, and settings that leave to them what they decide.

Where weights do not fit, transformers puts random ones in their place and says so in a table on stderr; here
that is an error which names the first of them.

A configuration with a `checkpoint` has a class attribute SIZES: what holds without a checkpoint. In its
`__post_init__` it calls `settle`, so that a size is None exactly if the checkpoint is to decide it.
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

from ..common.hub import checkpoint_files

WRAPPERS = {r"_orig_mod\.|_fsdp_wrapped_module\.|_checkpoint_wrapped_module\.": "", r"^(?:module\.)+": ""}
"""Parts of names that torch.compile and torch's data-parallel and checkpointing wrappers add -> nothing."""
EAGER: dict[str, Any] = {"attn_implementation": "eager"}
"""The fused attention of torch is 1.5 times slower when training in bf16 on a CPU."""
SHOWN = 3
"""Names in a message."""


@dataclass(frozen=True)
class Pixels:
    """How a model wants its pixels: (x - mean) / std per channel, of x in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def to_dict(self) -> dict[str, list[float]]:
        """JSON-able form."""
        return {"mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, data: dict[str, list[float]]) -> "Pixels":
        """What `to_dict` made."""
        return cls(tuple(data["mean"]), tuple(data["std"]))


def unwrapped(name: str) -> str:
    """The name of a weight without what WRAPPERS add to it."""
    for pattern, nothing in WRAPPERS.items():
        name = re.sub(pattern, nothing, name)
    return name


def settle(config: Any) -> None:
    """Fills in the SIZES that are None; with a checkpoint they are its own."""
    if config.checkpoint is None:
        for name, size in config.SIZES.items():
            if getattr(config, name) is None:
                object.__setattr__(config, name, size)


def with_checkpoint(config: Any, checkpoint: str) -> Any:
    """`config` on a checkpoint that decides all of its SIZES, if it has any."""
    return dataclasses.replace(config, checkpoint=checkpoint, **dict.fromkeys(getattr(config, "SIZES", ())))


def leave_sizes(before: Any, after: Any) -> Any:
    """The tree of dataclasses `before` with the checkpoints that only `after` has (`with_checkpoint`).

    Settings given beside a checkpoint can then be told from those that were there before it.
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
    """Refuses a size of `config` that its checkpoint does not have.

    Raises:
        ValueError: names the setting, both values, and the way out.
    """
    for name, size in found.items():
        asked = getattr(config, name)
        if asked is not None and asked != size:
            raise ValueError(
                f"{what}: {name} {asked} contradicts checkpoint {config.checkpoint!r}, which has {size}; "
                f"leave {name} out (None)"
            )


def configuration(name: str, what: str) -> Any:
    """The configuration of transformers that a checkpoint has; its `model_type` is "siglip", "llama", ...

    Args:
        name: folder or Hub name.
        what: of the model, in messages ("encoder").

    Raises:
        ValueError: there is no such checkpoint, or it does not say what it is.
    """
    from transformers import AutoConfig

    if not Path(name).is_dir() and (Path(name).exists() or Path(name).is_absolute() or name[:1] in ".~"):
        raise ValueError(f"{what} checkpoint {name!r} is no folder")
    with checkpoint_files(f"{what} checkpoint", name) as local:
        return AutoConfig.from_pretrained(name, trust_remote_code=False, local_files_only=local)


def load(
    kind: Any, name: str, what: str, unused: str, spare: str = r"(?!)", **options: Any
) -> tuple[nn.Module, set[str]]:
    """The model in a checkpoint, in float32, and the names of its `spare` parts that the checkpoint lacks.

    Args:
        kind: class of transformers with `from_pretrained`.
        name: folder or Hub name.
        what: of the model, in messages ("encoder").
        unused: pattern of names that the checkpoint may have beyond the model.
        spare: pattern of names that it may lack, since nothing is made of them.
        options: for `from_pretrained`.

    Raises:
        ValueError: it cannot be read, or one of its other weights has no place, another shape, or is missing.
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
            raise ValueError(
                f"{what} checkpoint {name!r} {problem}: {', '.join(sorted(names)[:SHOWN])}{more}"
            )
    return model, missing


def pixels_of(name: str, default: Pixels) -> Pixels:
    """What the preprocessing stored with a checkpoint does to pixels; `default` where none is stored.

    Raises:
        ValueError: what is stored cannot be read, or is not for RGB.
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
                raise ValueError(f"{file} of encoder checkpoint {name!r} cannot be used: {error}") from error
    return default


def _pixels(stored: dict[str, Any], default: Pixels) -> Pixels:
    # Of numbers in 0..255, which are multiplied by the factor first.
    factor = 1.0
    if stored.get("do_rescale", True):
        factor = stored.get("rescale_factor") or 1 / 255
    mean, std = (0.0,) * 3, (1.0,) * 3
    if stored.get("do_normalize", True):
        mean, std = stored.get("image_mean") or default.mean, stored.get("image_std") or default.std
    rows = [row if isinstance(row, list | tuple) else (row,) * 3 for row in (mean, std)]
    if any(len(row) != 3 for row in rows) or not all(rows[1]):
        raise ValueError(f"mean {list(rows[0])} and standard deviation {list(rows[1])} are not of RGB")
    return Pixels(*(tuple(round(float(x) / (255 * factor), 9) for x in row) for row in rows))


def _not_in(pattern: str, names: Any) -> list[str]:
    return [name for name in names if not re.search(pattern, name)]
