"""Checkpoints from which a run continues as if it had never stopped: one safetensors file, replaced in one
step.

All randomness of the loop is a function of (seed, update), so the weights, their average, the optimizer's
moments and a few numbers are the whole state. A new checkpoint is written beside the old one, flushed to the
disk, and renamed over it: whatever happens while writing, one complete checkpoint exists. It holds a checksum
of all that, which is verified when it is loaded.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..common.errors import VlaError
from ..common.files import whole
from ..policies.policy_files import not_finite
from .ema import EMA, persistent_tensors

AGAIN = "delete it, and the same command trains from the start again"


class CheckpointError(VlaError, ValueError):
    """A checkpoint that cannot be written, read, or used for this run."""


@dataclass(frozen=True)
class Progress:
    """The numbers of a checkpoint."""

    step: int
    """Updates done."""
    threads: int
    """Number of torch threads; another number rounds differently, so a run keeps to one."""
    wall_seconds: float
    """Time in the loop over all resumes [s]."""
    cpu_seconds: float
    """Processor time in the loop, all threads, over all resumes [s]."""
    wait_seconds: float
    """Time in which the loop waited for data [s]."""
    dataset: str
    """Fingerprint of the dataset."""


def save(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, ema: EMA, progress: Progress
) -> None:
    """Writes the state to `path`; a checkpoint that is already there is replaced at the very end.

    Raises:
        CheckpointError: the file cannot be written (disk full); the old checkpoint is untouched.
    """
    named = _named_tensors(model, optimizer, ema)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}
    numbers = json.dumps(asdict(progress))
    metadata = {"progress": numbers, "sha256": _digest(tensors, numbers)}
    try:
        with whole(path) as partial:
            save_file(tensors, partial, metadata=metadata)
    except (OSError, SafetensorError) as error:
        kept = "the previous one is kept" if path.exists() else "there is no earlier one"
        raise CheckpointError(f"cannot write the checkpoint {path} ({error}); {kept}") from error


def read_progress(path: Path) -> Progress | None:
    """The numbers of the checkpoint at `path`; None if there is none."""
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            return Progress(**json.loads(file.metadata()["progress"]))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} is not a checkpoint of this program, or is damaged ({error}): {AGAIN}"
        ) from error


def load(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, ema: EMA) -> None:
    """Puts the state at `path` into the model, the optimizer and the average.

    Raises:
        CheckpointError: the checkpoint is damaged, or a tensor has another name or shape; names that tensor.
    """
    tensors = read_tensors(path)

    # A fresh optimizer has no moments yet, and never gets any for a parameter that no loss has reached.
    for name, parameter in _trained(model).items():
        state = {
            key: torch.zeros_like(parameter.detach())
            for key in ("exp_avg", "exp_avg_sq", "momentum")
            if f"optimizer.{key}.{name}" in tensors
        }
        if f"optimizer.step.{name}" in tensors:
            state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
        if state:
            optimizer.state[parameter] = state
    expected = _named_tensors(model, optimizer, ema)
    for name in sorted(expected.keys() | tensors.keys()):
        there, here = _shape(tensors, name), _shape(expected, name)
        if there != here:
            raise CheckpointError(f"{path} is of another model: {name} has {there} there and {here} here")
    with torch.no_grad():
        for name, tensor in expected.items():
            tensor.copy_(tensors[name])


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of the checkpoint at `path`, by their names in the file.

    Raises:
        CheckpointError: they are not what was written, or not all weights are finite.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged ({error}): {AGAIN}") from error
    # Checkpoints had no checksum at first.
    if "sha256" in metadata and metadata["sha256"] != _digest(tensors, metadata.get("progress", "")):
        raise CheckpointError(f"{path} is damaged (its checksum is another): {AGAIN}")
    if name := not_finite({name: x for name, x in tensors.items() if not name.startswith("optimizer.")}):
        raise CheckpointError(f"{path} has numbers in {name} that are not finite: {AGAIN}")
    return tensors


def _digest(tensors: Mapping[str, Tensor], numbers: str) -> str:
    """SHA-256 over the names, types, shapes and bytes of all tensors, and the numbers."""
    total = hashlib.sha256(numbers.encode())
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        if tensor.numel():  # an empty one, such as a state of no numbers, has no bytes to view
            total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def _named_tensors(model: nn.Module, optimizer: torch.optim.Optimizer, ema: EMA) -> dict[str, Tensor]:
    """Live tensors of the whole state, by name, with a prefix for their owner."""
    tensors = {f"model.{name}": tensor for name, tensor in persistent_tensors(model).items()}
    tensors |= {f"ema.{name}": tensor for name, tensor in ema.tensors.items()}
    for name, parameter in _trained(model).items():
        tensors |= {f"optimizer.{key}.{name}": value for key, value in optimizer.state[parameter].items()}
    return tensors


def _trained(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def _shape(tensors: Mapping[str, Tensor], name: str) -> str:
    return f"shape {list(tensors[name].shape)}" if name in tensors else "no such tensor"
