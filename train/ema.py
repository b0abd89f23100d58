"""Exponential moving average of a model: of its parameters and of its floating-point buffers.

Buffers matter: averaged weights beside the last BatchNorm statistics make a network that was never trained.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import Tensor, nn


def persistent_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and saved buffers of `model`, live, each once: a tied weight goes by its first name."""
    saved = model.state_dict().keys()
    named = chain(model.named_parameters(), model.named_buffers())
    return {name: tensor.detach() for name, tensor in named if name in saved}


class EMA:
    """A second copy of the model's tensors that follows them slowly.

    The decay of update `step` is min(decay, (1 + step) / (10 + step)), so that the random initialization is
    forgotten early: 0.1 at step 0, 0.9 at step 80, 0.99 from step 890 on. It holds on to the tensors that the
    model has now, so move the model to its device first.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self._live = persistent_tensors(model)
        self.tensors = {name: tensor.clone() for name, tensor in self._live.items()}
        """Averages of floating-point tensors; plain copies of the others (BatchNorm's counter)."""
        self._averaged = [name for name, tensor in self._live.items() if tensor.is_floating_point()]
        self._copied = [name for name, tensor in self._live.items() if not tensor.is_floating_point()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Moves the averages towards the model after update `step` (0 is the first)."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        averages = [self.tensors[name] for name in self._averaged]
        live = [self._live[name] for name in self._averaged]
        torch._foreach_lerp_(averages, live, weight)  # pyright: ignore[reportPrivateImportUsage]
        for name in self._copied:
            self.tensors[name].copy_(self._live[name])

    @torch.no_grad()
    def copy_to_model(self) -> None:
        """Overwrites the model's tensors with the averages."""
        for name, tensor in self._live.items():
            tensor.copy_(self.tensors[name])

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside, the model has the averages; afterwards its own tensors again, bit for bit."""
        own = {name: tensor.clone() for name, tensor in self._live.items()}
        self.copy_to_model()
        try:
            yield
        finally:
            with torch.no_grad():
                for name, tensor in self._live.items():
                    tensor.copy_(own[name])
