"""What the tests of heads share: a trunk without images or words, and a loop that fits a head on it."""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlasandbox.policies.head import ActionHead
from vlasandbox.policies.language import LanguageConfig
from vlasandbox.policies.network import ActionNetwork
from vlasandbox.policies.trunk import Trunk, TrunkConfig
from vlasandbox.policies.types import Observation, Prefix

TOKENS = 5
"""Tokens of a prefix; the third one is padding in every odd row."""


class ToyTrunk(Trunk):
    """A tiny pre-norm transformer with rotary positions and grouped keys; features [b, 2] become its
    prefix."""

    def __init__(self, seed: int = 0, kv_heads: int = 2) -> None:
        nn.Module.__init__(self)
        self.dim, self.num_layers, self.num_heads, self.num_kv_heads, self.head_dim = 32, 2, 4, kv_heads, 8
        self.rope_theta, self.rope_type, self.embedding_scale = 10_000.0, "default", 0.5
        width, e = self.dim, self.head_dim
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.embed = nn.Linear(2, TOKENS * width)
            self.projections = nn.ModuleList(
                nn.ModuleDict(
                    {
                        "q": nn.Linear(width, 4 * e, bias=False),
                        "k": nn.Linear(width, kv_heads * e, bias=False),
                        "v": nn.Linear(width, kv_heads * e, bias=False),
                        "o": nn.Linear(4 * e, width, bias=False),
                        "up": nn.Linear(width, 2 * width),
                        "down": nn.Linear(2 * width, width),
                    }
                )
                for _ in range(self.num_layers)
            )

    def prefix(self, features: Tensor) -> Prefix:
        """What `encode` would return for observations that are two numbers each."""
        b = len(features)
        tokens = self.embed(features).view(b, TOKENS, self.dim)
        mask = torch.ones(b, TOKENS, dtype=torch.bool)
        mask[1::2, 2] = False
        positions = mask.long().cumsum(dim=1) - 1
        visible = mask.unsqueeze(1).expand(-1, TOKENS, -1)
        hidden, keys, values = self.run(tokens, visible, positions, None)
        return Prefix(hidden, mask, positions, keys, values, trunk=self)

    def extend(
        self, prefix: Prefix, tokens: Tensor, attend: Literal["causal", "full"]
    ) -> tuple[Tensor, Prefix]:
        b, m, _ = tokens.shape
        among = torch.ones(m, m, dtype=torch.bool)
        among = among.tril() if attend == "causal" else among
        visible = torch.cat([prefix.mask.unsqueeze(1).expand(-1, m, -1), among.expand(b, -1, -1)], dim=2)
        positions = prefix.next_position.unsqueeze(1) + torch.arange(m)
        hidden, keys, values = self.run(tokens, visible, positions, prefix)
        mask = torch.cat([prefix.mask, torch.ones(b, m, dtype=torch.bool)], dim=1)
        everything = torch.cat([prefix.hidden, hidden], dim=1)
        positions = torch.cat([prefix.positions, positions], dim=1)
        return hidden, Prefix(everything, mask, positions, keys, values, trunk=self)

    def run(
        self, tokens: Tensor, visible: Tensor, positions: Tensor, past: Prefix | None
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        keys, values = [], []
        for index, layer in enumerate(self.projections):
            assert isinstance(layer, nn.ModuleDict)
            q, k, v = (heads(layer[name](F.rms_norm(tokens, (self.dim,))), self.head_dim) for name in "qkv")
            q, k = rotate(q, positions, self.rope_theta), rotate(k, positions, self.rope_theta)
            if past is not None:
                k = torch.cat([past.keys[index], k], dim=2)
                v = torch.cat([past.values[index], v], dim=2)
            keys.append(k)
            values.append(v)
            tokens = tokens + layer["o"](attention(q, k, v, visible))
            tokens = tokens + layer["down"](F.gelu(layer["up"](F.rms_norm(tokens, (self.dim,)))))
        return F.rms_norm(tokens, (self.dim,)), keys, values


class Recorded(ActionNetwork):
    """A function f(x, t, prefix), another network's for example, and what it was asked and answered."""

    def __init__(self, function: Callable[[Tensor, Tensor, Prefix], Tensor]) -> None:
        super().__init__()
        self.function = function
        self.calls: list[tuple[Tensor, Tensor, Tensor]] = []
        """x, t and the answer, in order."""

    def forward(self, x: Tensor, t: Tensor, prefix: Prefix) -> Tensor:
        answer = self.function(x, t, prefix)
        self.calls.append((x, t, answer))
        return answer


def real_prefix(kv_heads: int = 2) -> tuple[Trunk, Prefix, Tensor]:
    """A small trunk as policies have it, its prefix for two rows with instructions of different length, and
    the keys of its first layer before rotation [b, g, n, e]."""
    config = TrunkConfig(
        language=LanguageConfig(width=32, layers=2, heads=4, kv_heads=kv_heads, mlp=48), film=False
    )
    instructions = ["pick up the red cube", "stop"]
    trunk = config.build(1, 3, instructions)
    raw = []
    projection = trunk.language.get_submodule("model.layers.0.self_attn.k_proj")
    hook = projection.register_forward_hook(lambda module, inputs, output: raw.append(output))
    images = torch.randint(256, (2, 1, trunk.image_size, trunk.image_size, 3), dtype=torch.uint8)
    prefix = trunk.encode(Observation(images, torch.randn(2, 3), instructions))
    hook.remove()
    return trunk, prefix, heads(raw[0], trunk.head_dim)


def heads(x: Tensor, head_dim: int) -> Tensor:
    """[b, m, h * e] -> [b, h, m, e]."""
    return x.unflatten(-1, (-1, head_dim)).transpose(1, 2)


def rotate(x: Tensor, positions: Tensor, theta: float) -> Tensor:
    """Rotary embedding, written as a rotation of the pairs (i, i + e / 2)."""
    half = x.shape[-1] // 2
    angle = positions[:, None, :, None] * theta ** (-torch.arange(half) / half)
    first, second = x[..., :half], x[..., half:]
    return torch.cat(
        [first * angle.cos() - second * angle.sin(), second * angle.cos() + first * angle.sin()], dim=-1
    )


def attention(q: Tensor, k: Tensor, v: Tensor, visible: Tensor) -> Tensor:
    """[b, h, m, e] queries over [b, g, n, e] keys -> [b, m, h * e]; head i uses key head i * g // h."""
    share = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(share, dim=1), v.repeat_interleave(share, dim=1)
    scores = (q @ k.mT) / q.shape[-1] ** 0.5
    weights = scores.masked_fill(~visible.unsqueeze(1), -torch.inf).softmax(dim=-1)
    return (weights @ v).transpose(1, 2).flatten(2)


def fit(
    head: ActionHead,
    trunk: ToyTrunk,
    batch: Callable[[torch.Generator], tuple[Tensor, Tensor, Tensor]],
    steps: int,
    lr: float = 3e-3,
) -> None:
    """Trains both on what `batch` returns: features [b, 2], actions [b, k, a], mask [b, k]."""
    parameters = [*head.parameters(), *trunk.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=lr)
    generator = torch.Generator().manual_seed(0)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = lr * min(1.0, 2 * (steps - step) / steps)
        features, actions, mask = batch(generator)
        loss, _ = head.loss(trunk.prefix(features), actions, mask, generator)
        optimizer.zero_grad()
        loss.mean().backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()


def two_modes(chunk: int) -> Callable[[torch.Generator], tuple[Tensor, Tensor, Tensor]]:
    """Batches of one observation from which half of the demonstrations go to +1 and half to -1, for a whole
    chunk."""

    def batch(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        signs = torch.randint(2, (64, 1, 1), generator=generator) * 2.0 - 1
        return torch.zeros(64, 2), signs.expand(-1, chunk, 1), torch.ones(64, chunk, dtype=torch.bool)

    return batch


def sample_many(head: ActionHead, trunk: ToyTrunk, count: int = 200) -> Tensor:
    """Chunks [count, k, a] for the observation of `two_modes`."""
    with torch.no_grad():
        generators = [torch.Generator().manual_seed(seed) for seed in range(count)]
        return head.sample(trunk.prefix(torch.zeros(count, 2)), generators)


def assert_both_modes(values: Tensor) -> None:
    """Nearly all of `values` are near +1 or -1, and neither is rare."""
    assert ((values.abs() - 1).abs() < 0.3).float().mean() > 0.9
    assert 0.3 < (values > 0).float().mean() < 0.7


def generators(count: int = 4) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(count)]
