"""Study: plain bins, one after the other, at four control rates. `vla study docs/findings/in_turn.py`"""

from vlasandbox.policies.heads import tokens
from vlasandbox.train.study import Factor, Study, pick_point

SECONDS = 0.8
"""Spanned by a chunk at every rate; half of it is executed."""


def study() -> Study:
    # All but the head as in rates.py: the rows of both stand side by side.
    rates = {}
    for hz in (5, 10, 20, 50):
        rates[hz] = {
            "record.control_hz": float(hz),
            "train.data.chunk": round(SECONDS * hz),
            "evaluation.execution_horizon": round(SECONDS * hz / 2),
        }
    head = tokens.Config(decoding="autoregressive")
    return Study(
        question="Do plain bins that are predicted one after the other stand a higher control rate?",
        base=pick_point("pick_flow:recipe=2026-11", demonstrations=500, updates=2000),
        factors=[
            Factor("head", {"bins in turn": {"train.policy.head": head}}),
            Factor("rate", rates, unit="Hz"),
        ],
        seeds=2,
    )
