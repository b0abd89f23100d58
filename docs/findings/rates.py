"""Study: control rate against the coding of actions. `vla study docs/findings/rates.py`"""

from vlasandbox.policies.codecs import fast
from vlasandbox.policies.heads import flow, regression, tokens
from vlasandbox.train.study import Factor, Study, pick_point

HEADS = {
    "regression": regression.Config(),
    "flow": flow.Config(temperature=0.0),
    "bins": tokens.Config(decoding="parallel", smoothing=2.0, decode="expectation", window=255),
    "FAST": tokens.Config(codec=fast.Config(), decoding="autoregressive"),
}
SECONDS = 0.8
"""Spanned by a chunk at every rate; half of it is executed."""


def study() -> Study:
    rates = {}
    for hz in (5, 10, 20, 50):
        rates[hz] = {
            "record.control_hz": float(hz),
            "train.data.chunk": round(SECONDS * hz),
            "evaluation.execution_horizon": round(SECONDS * hz / 2),
        }
    return Study(
        question="Which coding of actions stands a higher control rate?",
        base=pick_point("pick_flow:recipe=2026-11", demonstrations=500, updates=2000),
        factors=[
            Factor("head", {name: {"train.policy.head": head} for name, head in HEADS.items()}),
            Factor("rate", rates, unit="Hz"),
        ],
        seeds=2,
    )
