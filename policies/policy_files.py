"""The folder of a saved policy: config.json, model.safetensors, tokenizer/. No pickle anywhere.

It is written beside its place, flushed to the disk, and renamed into it: a reader finds all of it or nothing.
If the machine stops between the two renames that replace an older policy, that one lies in `<folder>.old`.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from .config_io import from_dict, to_dict
from .limits import check_sizes
from .normalizer import blank_stats
from .tokenizer import load_tokenizer
from .types import PolicySpec

FORMAT = 1
"""To be raised when older folders can no longer be read."""

ConfigT = TypeVar("ConfigT")


class PolicyError(ValueError):
    """A policy that cannot be written, read, or used here."""


@dataclass(frozen=True)
class SavedPolicy(Generic[ConfigT]):
    """What a policy's folder holds."""

    folder: Path
    config: ConfigT
    spec: PolicySpec
    architecture: dict[str, dict[str, Any]]
    tokenizer: Any
    tensors: dict[str, Tensor]

    @property
    def numbers(self) -> int:
        """How many the weights are."""
        return sum(x.numel() for x in self.tensors.values())

    def blank_stats(self) -> dict[str, dict[str, np.ndarray]]:
        """Statistics of the right size; the real ones are among the tensors."""
        return {"state": blank_stats(self.spec.state_dim), "action": blank_stats(self.spec.action_dim)}

    def load_weights(self, policy: nn.Module) -> None:
        """Puts the tensors into `policy`.

        Raises:
            PolicyError: their names or shapes, or the mode of a normaliser, do not fit the configuration.
        """
        here = {name: list(x.shape) for name, x in policy.state_dict().items()}
        there = {name: list(x.shape) for name, x in self.tensors.items()}
        for name in sorted(here.keys() | there.keys()):
            if here.get(name) != there.get(name):
                raise PolicyError(
                    f"{self.folder / 'model.safetensors'} does not fit config.json: {name} has shape "
                    f"{there.get(name, 'none (missing)')}, expected {here.get(name, 'none (unknown)')}"
                )
        try:
            policy.load_state_dict(self.tensors)
        except ValueError as error:
            raise PolicyError(f"{self.folder}: {error}") from error


def write_policy(
    folder: Path,
    config: Any,
    spec: PolicySpec,
    architecture: dict[str, dict[str, Any]],
    tokenizer: Any,
    tensors: Mapping[str, Tensor],
) -> None:
    """Writes all of it; see the module's docstring.

    Raises:
        PolicyError: it cannot be written; what was there stays.
    """
    folder = folder.resolve()
    unfinished, old = folder.with_name(f"{folder.name}.unfinished"), folder.with_name(f"{folder.name}.old")
    description = {
        "format": FORMAT,
        "spec": to_dict(spec),
        "config": to_dict(config),
        "architecture": architecture,
    }
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        save_file(
            {name: x.detach().cpu().contiguous() for name, x in tensors.items()},
            unfinished / "model.safetensors",
        )
        (unfinished / "config.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
        tokenizer.save_pretrained(unfinished / "tokenizer")
        for path in [*unfinished.rglob("*"), unfinished]:
            _flush(path)
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
        unfinished.rename(folder)
        _flush(folder.parent)
        shutil.rmtree(old, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise PolicyError(f"cannot write the policy to {folder} ({error})") from error


def read_policy(folder: Path, config_class: type[ConfigT]) -> SavedPolicy[ConfigT]:
    """All of it.

    Raises:
        PolicyError: the folder or a file is missing or damaged, or the configuration is not valid here.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise PolicyError(f"there is no policy folder {folder}")
    for name in ("config.json", "model.safetensors", "tokenizer"):
        if not (folder / name).exists():
            raise PolicyError(f"{folder} is not a saved policy: it has no {name}")
    try:
        description = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if description["format"] != FORMAT:
            raise PolicyError(f"{folder} has format {description['format']}; this program reads {FORMAT}")
        config = from_dict(config_class, description["config"], "config")
        spec = from_dict(PolicySpec, description["spec"], "spec")
        tensors = load_file(folder / "model.safetensors")
        for part in ("spec", "config", "architecture"):
            check_sizes(description[part], sum(x.numel() for x in tensors.values()), part)
        architecture = _without_orders(description["architecture"])
        if not isinstance(architecture, dict) or not all(isinstance(x, dict) for x in architecture.values()):
            raise PolicyError(f"{folder / 'config.json'} has an architecture that is none")
    except PolicyError:
        raise
    except SafetensorError as error:
        raise PolicyError(f"{folder / 'model.safetensors'} is damaged ({error})") from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise PolicyError(f"{folder / 'config.json'} cannot be used: {error}") from error
    try:
        tokenizer = load_tokenizer(folder / "tokenizer")
    except Exception as error:  # tokenizers has no errors of its own
        raise PolicyError(f"{folder / 'tokenizer'} is damaged ({error})") from error
    return SavedPolicy(folder, config, spec, architecture, tokenizer, tensors)


def _without_orders(architecture: Any) -> Any:
    """The sizes in it, without what would have transformers look for code or kernels to run."""
    if not isinstance(architecture, dict):
        return architecture
    return {
        key: _without_orders(value)
        for key, value in architecture.items()
        if key not in ("auto_map", "quantization_config") and not key.endswith("_implementation")
    }


def _flush(path: Path) -> None:
    """Makes what was written to a file, or renamed in a folder, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
