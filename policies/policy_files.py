"""The folder of a saved policy: config.json, model.safetensors, tokenizer/. Pickle is not used.

It is written next to its destination, flushed to disk, and renamed: a reader finds all of it or nothing. If
the machine stops between the two renames that replace an older policy, that one remains in `<folder>.old`.
config.json holds a checksum of each other file and of itself, and all of them are verified when the policy is
loaded.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..common.errors import InputError, VlaError
from ..common.files import OLD, check_digests, digests, inside, sealed, unsealed, whole_folder
from .config_io import from_dict, to_dict
from .limits import check_sizes
from .normalizer import blank_stats
from .tokenizer import load_tokenizer
from .types import PolicySpec

FORMAT = 1
"""Format version, to be raised when older folders can no longer be read."""

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer"
FILES = "files"
"""Entry of config.json with the checksums of the other files, which the oldest folders lack."""

AGAIN = "copy the policy again from where it was saved, or run its training again, which saves it anew"

ConfigT = TypeVar("ConfigT")


class PolicyError(VlaError, ValueError):
    """A policy that cannot be written, read, or used here."""


@dataclass(frozen=True)
class SavedPolicy(Generic[ConfigT]):
    """Contents of a policy's folder."""

    folder: Path
    config: ConfigT
    spec: PolicySpec
    architecture: dict[str, dict[str, Any]]
    tokenizer: Any
    tensors: dict[str, Tensor]

    @property
    def numbers(self) -> int:
        """Total count of numbers in the weights."""
        return sum(x.numel() for x in self.tensors.values())

    def blank_stats(self) -> dict[str, dict[str, np.ndarray]]:
        """Placeholder statistics of the right size; the real ones are among the tensors."""
        return {"state": blank_stats(self.spec.state_dim), "action": blank_stats(self.spec.action_dim)}

    def load_weights(self, policy: nn.Module) -> None:
        """Loads the tensors into `policy`.

        Raises:
            PolicyError: their names or shapes, or the mode of a normalizer, do not fit the configuration.
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
    """Writes the folder; see the module's docstring.

    Raises:
        PolicyError: it cannot be written; what was there before stays.
    """
    folder = folder.resolve()
    description = {
        "format": FORMAT,
        "spec": to_dict(spec),
        "config": to_dict(config),
        "architecture": architecture,
    }
    weights = {name: x.detach().cpu().contiguous() for name, x in tensors.items()}
    try:
        with whole_folder(folder) as unfinished:
            save_file(weights, unfinished / WEIGHTS)
            tokenizer.save_pretrained(unfinished / TOKENIZER)
            text = json.dumps(sealed(description | {FILES: digests(unfinished)}), indent=2)
            (unfinished / CONFIG).write_text(text + "\n", encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise PolicyError(f"cannot write the policy to {folder} ({error})") from error


def read_policy(folder: Path, config_class: type[ConfigT]) -> SavedPolicy[ConfigT]:
    """Reads the folder.

    Raises:
        PolicyError: the folder or a file is missing or damaged, or the configuration is not valid here.
    """
    folder = Path(folder)
    if not folder.is_dir():
        old = folder.with_name(folder.name + OLD)
        hint = (
            f": saving was interrupted; what was there before is in {old}, rename it" if old.is_dir() else ""
        )
        raise PolicyError(f"there is no policy folder {folder}{hint}")
    for name in (CONFIG, WEIGHTS, TOKENIZER):
        if not (folder / name).exists():
            raise PolicyError(f"{folder} is not a saved policy: it has no {name}")
    description = read_description(folder)
    try:
        config = from_dict(config_class, description["config"], "config")
        spec = from_dict(PolicySpec, description["spec"], "spec")
        tensors = load_file(folder / WEIGHTS)
        for part in ("spec", "config", "architecture"):
            check_sizes(description[part], sum(x.numel() for x in tensors.values()), part)
        architecture = _without_orders(description["architecture"])
        if not isinstance(architecture, dict) or not all(isinstance(x, dict) for x in architecture.values()):
            raise PolicyError(f"{folder / CONFIG} has an architecture that is none")
    except PolicyError:
        raise
    except SafetensorError as error:
        raise PolicyError(f"{folder / WEIGHTS} is damaged ({error}): {AGAIN}") from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise PolicyError(f"{folder / CONFIG} cannot be used ({error}): {AGAIN}") from error
    if name := not_finite(tensors):
        raise PolicyError(f"{folder / WEIGHTS} has numbers in {name} that are not finite: {AGAIN}")
    try:
        tokenizer = load_tokenizer(folder / TOKENIZER)
        _try(tokenizer)
    except Exception as error:  # tokenizers has no errors of its own
        raise PolicyError(f"{folder / TOKENIZER} is damaged ({error}): {AGAIN}") from error
    return SavedPolicy(folder, config, spec, architecture, tokenizer, tensors)


def _try(tokenizer: Any) -> None:
    """Tries out what a policy needs of its tokenizer.

    Raises:
        Exception: it cannot.
    """
    if not isinstance(tokenizer.pad_token_id, int):
        raise InputError("it has no token to pad with")
    tokenizer("pick up the cube")


def read_description(folder: Path) -> dict[str, Any]:
    """Contents of the config.json in `folder`, after all files there were verified.

    Raises:
        PolicyError: it cannot be used here, or a file differs from what was written.
    """
    path = folder / CONFIG
    try:
        for place in (path, folder / WEIGHTS, *(folder / TOKENIZER).rglob("*")):
            inside(folder, place.relative_to(folder).as_posix())
    except ValueError as error:
        raise PolicyError(f"{folder} has a link that leads elsewhere ({error}): {AGAIN}") from None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["format"] != FORMAT:
            raise PolicyError(
                f"{folder} has format {stored['format']!r:.40}; this program reads {FORMAT}: use the "
                "version that saved it, or copy the policy again"
            )
        description = unsealed(stored)
    except PolicyError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise PolicyError(f"{path} cannot be used ({error}): {AGAIN}") from error
    try:
        check_digests(folder, description.get(FILES, {}))
    except (OSError, ValueError) as error:
        raise PolicyError(f"{error}: {AGAIN}") from error
    return description


def not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """Name of a tensor that contains a non-finite number; None if there is none."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            return name
    return None


def _without_orders(architecture: Any) -> Any:
    """Returns its sizes without the entries that would make transformers look for code or kernels to run."""
    if not isinstance(architecture, dict):
        return architecture
    return {
        key: _without_orders(value)
        for key, value in architecture.items()
        if key not in ("auto_map", "quantization_config") and not key.endswith("_implementation")
    }
