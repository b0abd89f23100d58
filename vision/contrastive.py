"""Contrastive losses on pairs of embeddings: row i of the images belongs to row i of the texts alone.

Both take embeddings of any length, normalise them, and learn the scale of their scores.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn


class SigmoidLoss(nn.Module):
    """SigLIP (arXiv 2303.15343): for every image and text on their own, whether they belong together."""

    def __init__(self) -> None:
        super().__init__()
        # The paper's start: nearly all pairs are negative, and at -10 their loss is nearly nothing.
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.bias = nn.Parameter(torch.tensor(-10.0))

    def forward(
        self,
        images: Float[Tensor, "b e"],
        texts: Float[Tensor, "b e"],
        same: Bool[Tensor, "b b"] | None = None,
    ) -> Float[Tensor, ""]:
        """Sum over all pairs, divided by the number of rows.

        Args:
            same: which images and texts belong together; the diagonal by default. Of rendered scenes many
                have the same sentence, and are no negatives of each other.
        """
        scores = similarity(images, texts) * self.log_scale.exp() + self.bias
        positive = torch.eye(len(scores), device=scores.device) if same is None else same.to(scores.dtype)
        sign = 2 * positive - 1
        return -F.logsigmoid(sign * scores).sum() / len(scores)


class SoftmaxLoss(nn.Module):
    """CLIP (arXiv 2103.00020): which text belongs to each image, and which image to each text."""

    LARGEST = 100.0
    """Of the scale, as in the paper: more is unstable."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, images: Float[Tensor, "b e"], texts: Float[Tensor, "b e"]) -> Float[Tensor, ""]:
        """Mean cross-entropy of both choices; rows that say the same only add a constant to it."""
        scores = similarity(images, texts) * self.log_scale.exp().clamp(max=self.LARGEST)
        right = torch.arange(len(scores), device=scores.device)
        return (F.cross_entropy(scores, right) + F.cross_entropy(scores.T, right)) / 2


def similarity(images: Float[Tensor, "b e"], texts: Float[Tensor, "b e"]) -> Float[Tensor, "b b"]:
    """Cosines between all images (rows) and all texts (columns)."""
    return F.normalize(images, dim=-1) @ F.normalize(texts, dim=-1).T
