"""Contrastive losses against their formulas, written out, and against transformers."""

import math

import pytest
import torch
import torch.nn.functional as F

from vlasandbox.vision.contrastive import SigmoidLoss, SoftmaxLoss

LOSSES = [SigmoidLoss, SoftmaxLoss]
ROWS, WIDTH = 5, 8


def embeddings(seed: int) -> torch.Tensor:
    return torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(seed)) * 3


def cosines(images: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
    return F.cosine_similarity(images[:, None], texts[None], dim=-1)


@pytest.mark.parametrize("doubles", [False, True])
def test_the_sigmoid_loss_is_a_yes_or_no_for_every_pair(doubles):
    images, texts = embeddings(0), embeddings(1)
    same = torch.eye(ROWS, dtype=torch.bool)
    same[0, 1] = same[1, 0] = doubles
    total = 0.0
    for i in range(ROWS):
        for j in range(ROWS):
            score = 10 * cosines(images, texts)[i, j].item() - 10
            total += math.log1p(math.exp(-score if same[i, j] else score))
    loss = SigmoidLoss()(images, texts, same if doubles else None)
    assert loss.item() == pytest.approx(total / ROWS, rel=1e-5)


def test_the_softmax_loss_is_a_choice_among_texts_and_one_among_images():
    images, texts = embeddings(0), embeddings(1)
    chances = (cosines(images, texts) / 0.07).exp()
    right = chances.diag()
    expected = -((right / chances.sum(1)).log().mean() + (right / chances.sum(0)).log().mean()) / 2
    torch.testing.assert_close(SoftmaxLoss()(images, texts), expected)


def test_both_are_the_losses_of_transformers():
    from transformers.models.clip.modeling_clip import image_text_contrastive_loss

    images, texts = embeddings(0), embeddings(1)
    softmax = SoftmaxLoss()
    logits = cosines(images, texts) * softmax.log_scale.exp()
    torch.testing.assert_close(softmax(images, texts), image_text_contrastive_loss(logits.T))


@pytest.mark.parametrize("loss", LOSSES)
def test_images_and_texts_may_change_places(loss):
    images, texts = embeddings(0), embeddings(1)
    torch.testing.assert_close(loss()(images, texts), loss()(texts, images))


@pytest.mark.parametrize("loss", LOSSES)
def test_the_length_of_an_embedding_does_not_matter_and_the_order_of_the_pairs_neither(loss):
    images, texts = embeddings(0), embeddings(1)
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(loss()(images * 9, texts / 4), loss()(images[order], texts[order]))


@pytest.mark.parametrize("loss", LOSSES)
def test_pairs_are_learned_with_their_scale(loss):
    criterion, images = loss(), torch.nn.Parameter(embeddings(0))
    texts = embeddings(1)
    optimizer = torch.optim.Adam([images, *criterion.parameters()], lr=0.1)
    before = dict(criterion.named_parameters())["log_scale"].item()
    for _ in range(100):
        optimizer.zero_grad()
        criterion(images, texts).backward()
        optimizer.step()
    assert cosines(images, texts).argmax(dim=1).tolist() == list(range(ROWS))
    assert criterion.log_scale.item() != before


def test_the_scale_of_the_softmax_has_a_bound():
    criterion = SoftmaxLoss()
    torch.nn.init.constant_(criterion.log_scale, 50.0)
    assert criterion(embeddings(0), embeddings(1)).isfinite()
