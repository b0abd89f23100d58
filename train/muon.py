"""Muon for the weight matrices of hidden layers, AdamW for everything else, as one optimizer.

Adam scales each entry of a gradient on its own, so a matrix moves mostly along the few directions that
dominate its gradient. Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon) replaces the
momentum M = U S V^T of a whole matrix by the nearest orthogonal matrix U V^T, so that all directions are
learned equally fast. The update is scaled to the root mean square of a typical AdamW update (arXiv
2502.16982), which is why both can use learning rates of the same order.

`torch.optim.Muon` does not fit here: it iterates in bf16, which a CPU without bf16 units emulates many times
slower; it refuses convolutions; and it goes matrix by matrix, where equal shapes can share a kernel.
"""

from collections import defaultdict
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

MIN_SIDE = 32
"""Smallest side of a matrix that Muon takes. Thinner ones map a few physical numbers (actions, state,
keypoints, colors) to features or back: their directions are not interchangeable."""
NOT_MULTIPLIED = ("slots", "embedding", "positions", "lm_head")
"""Names of parameters that are looked up or added rather than multiplied with hidden states; `lm_head` scores
words, one row each, and is the table of their embeddings where the two are tied."""
UPDATE_RMS = 0.2
"""Root mean square of an update at learning rate 1, that of AdamW in practice (arXiv 2502.16982, section
2.2)."""


def takes(module: nn.Module, name: str, parameter: nn.Parameter) -> bool:
    """Whether Muon rather than AdamW updates a parameter: weights that multiply hidden states.

    Args:
        module: the module that owns the parameter.
        name: the parameter's name in that module.
        parameter: a matrix [out, in], or the kernel of a convolution, seen as [out, in * positions].
    """
    if isinstance(module, nn.Embedding) or name in NOT_MULTIPLIED or parameter.ndim < 2:
        return False
    if parameter.ndim > 2 and not isinstance(module, nn.Conv1d | nn.Conv2d | nn.ConvTranspose1d):
        return False
    return min(parameter.shape[0], parameter[0].numel()) >= MIN_SIDE


class MuonAdamW(torch.optim.AdamW):
    """AdamW, except that groups whose "muon" is true are updated by Muon with their "momentum"."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One update. The gradients of Muon's parameters are consumed (set to None)."""
        assert closure is None, "no closure is supported"
        for group in self.param_groups:
            if not group["muon"]:
                continue
            alike: dict[tuple[int, int], list[nn.Parameter]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike[parameter.shape[0], parameter[0].numel()].append(parameter)
            for shape, parameters in alike.items():
                self._update(group, shape, parameters)
                for parameter in parameters:
                    parameter.grad = None  # AdamW skips parameters without a gradient
        super().step()

    def _update(self, group: dict[str, Any], shape: tuple[int, int], parameters: list[nn.Parameter]) -> None:
        """Updates all parameters that are matrices of one shape."""
        for parameter in parameters:
            if "momentum" not in self.state[parameter]:
                self.state[parameter]["momentum"] = torch.zeros_like(parameter)
        momenta = torch.stack([self.state[p]["momentum"].reshape(shape) for p in parameters])
        gradients = torch.stack([p.grad.reshape(shape) for p in parameters if p.grad is not None])
        momenta.lerp_(gradients, 1 - group["momentum"])
        direction = orthogonal(torch.lerp(gradients, momenta, group["momentum"]))  # Nesterov's look ahead
        scale = group["lr"] * UPDATE_RMS * max(shape) ** 0.5
        for parameter, momentum, update in zip(parameters, momenta, direction, strict=True):
            self.state[parameter]["momentum"].copy_(momentum.view_as(parameter))
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.add_(update.view_as(parameter), alpha=-scale)


def orthogonal(x: Float[Tensor, "n r c"], steps: int = 5) -> Float[Tensor, "n r c"]:
    """Approximates the nearest orthogonal matrix of each matrix: singular values end between 0.7 and 1.2.

    Newton-Schulz iteration with the quintic a x + b x^3 + c x^5 on the singular values, whose coefficients
    (from Muon's reference) trade exact convergence to 1 for a steep slope at 0.
    """
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        square = x @ x.mT
        polynomial = torch.baddbmm(square, square, square, beta=-4.7750, alpha=2.0315)
        x = torch.baddbmm(x, polynomial, x, beta=3.4445)
    return x.mT if tall else x
