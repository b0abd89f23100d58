"""A tiny language model's configuration, and the mask of its last tokens."""

import torch

from vlasandbox.policies.language import LanguageConfig

TINY = LanguageConfig(width=16, layers=2, heads=4, kv_heads=2, mlp=32, instruction_tokens=6)


def causal(m: int, n: int) -> torch.Tensor:
    return torch.ones(1, m, n, dtype=torch.bool).tril(n - m)
