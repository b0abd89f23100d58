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

POLYNOMIALS = (
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
)
"""Coefficients of s, s^3 and s^5 in each step: the last three of Polar Express (arXiv 2505.16932), which
bring singular values from 0.035 on to between 0.88 and 1.12, and multiply smaller ones by 30. All five of
that paper learned no better here, and an update of the tiny policies took a tenth longer."""


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
        """Performs one update. The gradients of Muon's parameters are consumed (set to None)."""
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


def orthogonal(x: Float[Tensor, "n r c"]) -> Float[Tensor, "n r c"]:
    """Approximates the nearest orthogonal matrix of each matrix: singular values above 0.035 of the Frobenius
    norm end between 0.88 and 1.12.

    Each step applies the polynomial a s + b s^3 + c s^5 to the singular values s. Since X' = P X with
    P = a + b G + c G^2 and G = X X^T, and all these matrices commute, the steps run on the small square G
    alone (G' = P G P), and X is multiplied once at the end.
    """
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) * 1.01 + 1e-7)
    gram, product = x @ x.mT, None
    for step, (a, b, c) in enumerate(POLYNOMIALS):
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        polynomial.diagonal(dim1=1, dim2=2).add_(a)
        product = polynomial if product is None else polynomial @ product
        if step < len(POLYNOMIALS) - 1:
            gram = polynomial @ gram @ polynomial
    assert product is not None
    x = product @ x
    return x.mT if tall else x
