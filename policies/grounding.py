"""Auxiliary losses that tie the instruction to the images, on privileged labels from the simulator.

They are used in training only. "heat" asks which cell of each image contains the object that the instruction
names; "position" asks where that object is. Both belong to the trunk, so every action head gets the same
help. With both weights at 0 the policy learns from actions only.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ..common.errors import InputError
from .types import Grounding

UNIT = 0.1
"""Unit of predicted positions [m]: an error of 1 cm then weighs as much as an error of 0.1 in an action
normalized to [-1, 1]."""


@dataclass(frozen=True)
class GroundingConfig:
    """Weights of the auxiliary losses relative to the action loss; 0 switches a loss off and removes its
    parameters.

    The labels are privileged: a simulator knows them, a robot does not.
    """

    heat: float = 0.2
    """Weight of the cross-entropy of the image cell that contains the named object."""
    cells: int = 4
    """Cells along a side of each patch, by which a token tells where in its patch the object is."""
    position: float = 0.5
    """Weight of the L1 error of the named object's position in the world, in units of 10 cm."""
    keypoints: int = 0
    """Heat maps per view whose centers the policy gets along with its proprioception. The first is the one
    that `heat` trains; all others (and the first if `heat` is 0) are learned from the action loss alone."""

    def __post_init__(self) -> None:
        if min(self.heat, self.position, self.keypoints) < 0 or self.cells < 1:
            raise InputError(
                "grounding: weights and keypoints must not be negative and cells at least 1, got heat "
                f"{self.heat}, position {self.position}, keypoints {self.keypoints}, cells {self.cells}"
            )


def target_cells(uv: Float[Tensor, "b v 2"], grid: int) -> tuple[Int[Tensor, "b v"], Bool[Tensor, "b v"]]:
    """Cell of a grid x grid image that contains each point, in row order, and whether the point is
    visible."""
    in_sight = ((uv >= 0) & (uv < 1)).all(dim=-1)
    column, row = (uv * grid).long().clamp(0, grid - 1).unbind(-1)
    return row * grid + column, in_sight


def centers(logits: Float[Tensor, "b v m y x"]) -> Float[Tensor, "b v m 2"]:
    """Expected position (right, down) under the softmax of each map, in [-1, 1] (soft-argmax).

    Spatial softmax of Levine et al. 2016 (arXiv 1504.00702), section 5.2.
    """
    share = logits.flatten(3).softmax(dim=-1).view(logits.shape)
    side = logits.shape[-1]
    at = (torch.arange(side, device=logits.device) + 0.5) * (2 / side) - 1
    return torch.stack([share.sum(dim=3) @ at, share.sum(dim=4) @ at], dim=-1)


class GroundingLoss(nn.Module):
    """Reads heat maps off the image tokens (`image_dim` wide) and the position off the token of
    proprioception."""

    def __init__(self, config: GroundingConfig, image_dim: int, dim: int) -> None:
        super().__init__()
        self.config = config
        maps = max(config.keypoints, int(config.heat > 0))
        self.heat = nn.Linear(image_dim, maps * config.cells**2, bias=False) if maps else None
        self.position = nn.Linear(dim, 3) if config.position else None

    def maps(self, image_tokens: Float[Tensor, "b v n e"]) -> Float[Tensor, "b v m y x"]:
        """Logits of every heat map."""
        assert self.heat is not None
        side, cells = round(image_tokens.shape[2] ** 0.5), self.config.cells
        logits = self.heat(image_tokens).float()
        return rearrange(logits, "b v (y x) (m i j) -> b v m (y i) (x j)", y=side, i=cells, j=cells)

    def keypoints(self, image_tokens: Float[Tensor, "b v n e"]) -> Float[Tensor, "b v m 2"]:
        """Center of each heat map, (right, down) in [-1, 1]."""
        return centers(self.maps(image_tokens))

    def forward(
        self, image_tokens: Float[Tensor, "b v n e"], state_token: Float[Tensor, "b d"], labels: Grounding
    ) -> tuple[Float[Tensor, " b"], dict[str, Tensor]]:
        """Weighted loss per row, and detached scalars to log."""
        total = state_token.new_zeros(len(state_token), dtype=torch.float32)
        metrics: dict[str, Tensor] = {}
        if self.heat is not None and self.config.heat:
            heat = self.maps(image_tokens)[:, :, 0]
            cell, in_sight = target_cells(labels.uv, heat.shape[-1])
            logits = rearrange(heat, "b v y x -> b (y x) v")
            entropy = F.cross_entropy(logits, cell, reduction="none")  # [b, v]
            views = in_sight.sum(dim=1).clamp(min=1)
            total = total + self.config.heat * (entropy * in_sight).sum(dim=1) / views
            hits = (logits.argmax(dim=1) == cell) & in_sight
            metrics["heat_accuracy"] = (hits.sum() / in_sight.sum().clamp(min=1)).detach()
        if self.position is not None:
            miss = (self.position(state_token).float() - labels.xyz / UNIT).abs().mean(dim=-1)
            total = total + self.config.position * miss
            metrics["position_error"] = miss.mean().detach() * UNIT
        return total, metrics
