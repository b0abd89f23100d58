"""Contrastive losses on pairs of embeddings: image i belongs to text i and to no other.

Both losses take embeddings of any length, normalize them, and learn the scale of the scores.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn


class SigmoidLoss(nn.Module):
    """SigLIP's loss (arXiv 2303.15343): classifies each pair of an image and a text on its own."""

    def __init__(self) -> None:
        super().__init__()
        # The paper's initial values: nearly all pairs are negative, and at -10 their loss is almost zero.
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
            images: image embeddings, one per row.
            texts: text embeddings, one per row.
            same: which images and texts belong together; the diagonal by default. Many rendered scenes share
                a sentence and are not negatives of each other.
        """
        scores = similarity(images, texts) * self.log_scale.exp() + self.bias
        positive = torch.eye(len(scores), device=scores.device) if same is None else same.to(scores.dtype)
        sign = 2 * positive - 1
        return -F.logsigmoid(sign * scores).sum() / len(scores)


class SoftmaxLoss(nn.Module):
    """CLIP's loss (arXiv 2103.00020): selects the text of each image and the image of each text."""

    LARGEST = 100.0
    """Upper bound of the scale, as in the paper: larger values are unstable."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, images: Float[Tensor, "b e"], texts: Float[Tensor, "b e"]) -> Float[Tensor, ""]:
        """Mean cross-entropy of both selections; rows with the same text only add a constant."""
        scores = similarity(images, texts) * self.log_scale.exp().clamp(max=self.LARGEST)
        right = torch.arange(len(scores), device=scores.device)
        return (F.cross_entropy(scores, right) + F.cross_entropy(scores.T, right)) / 2


def similarity(images: Float[Tensor, "b e"], texts: Float[Tensor, "b e"]) -> Float[Tensor, "b b"]:
    """Cosine similarity between all images (rows) and all texts (columns)."""
    return F.normalize(images, dim=-1) @ F.normalize(texts, dim=-1).T
