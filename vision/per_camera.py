"""PerCamera: encoders or connectors that divide the cameras among them, like Octo's stems (arXiv
2405.12213)."""

from collections.abc import Sequence
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn


class PerCamera(nn.Module):
    """Module in which part i of n gets views i, n + i, 2 n + i, ...: a single camera's if there is a part for
    each, since the frames of a history follow each other."""

    def __init__(self, parts: Sequence[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    @property
    def architecture(self) -> dict[str, Any]:
        """JSON-serializable shape of each encoder."""
        return {str(i): part.architecture for i, part in enumerate(self.parts)}

    def forward(self, views: Float[Tensor, "b v ..."], *rest: Any) -> Float[Tensor, "b v n d"]:
        """Tokens of every view; `rest` is passed to all parts."""
        n = len(self.parts)
        tokens = [part(views[:, i::n], *rest) for i, part in enumerate(self.parts)]
        return rearrange(torch.stack(tokens, dim=2), "b t v n d -> b (t v) n d")
