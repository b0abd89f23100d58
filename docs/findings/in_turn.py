"""Study: actions token by token at a high control rate. `vla study docs/findings/in_turn.py`"""

from vlasandbox.policies.codecs import fast
from vlasandbox.policies.heads import flow, tokens
from vlasandbox.train.study import Study, pick_point

HEADS = {
    "flow": {"train.policy.head": flow.Config(temperature=0.0)},
    # Half the learning rate: the best for bins in heads.md.
    "bins in turn": {
        "train.policy.head": tokens.Config(decoding="autoregressive"),
        "train.optim.lr": 5e-4,
    },
    "FAST": {
        "train.policy.head": tokens.Config(codec=fast.Config(), decoding="autoregressive"),
        "train.optim.lr": 5e-4,
    },
}
SECONDS = 0.8
"""Spanned by a chunk at both rates; half of it is executed."""


def study() -> Study:
    rates = {}
    for hz in (10, 50):
        rates[str(hz)] = {
            "record.control_hz": float(hz),
            "train.data.chunk": round(SECONDS * hz),
            "exam.execute": round(SECONDS * hz / 2),
        }
    return Study(
        question="Do bins predicted one after the other fail at a high control rate, and FAST does not?",
        base=pick_point("pick_flow", demonstrations=500, updates=4000),
        axes={"head": HEADS, "rate [Hz]": rates},
        seeds=2,
    )
