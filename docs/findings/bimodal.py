"""Study: heads where two ways are equally good. `vla study docs/findings/bimodal.py`"""

from vlasandbox.policies.heads import cvae, diffusion, flow, mip, regression, tokens
from vlasandbox.train.study import Factor, Study, pick_point

HEADS = {
    "regression, L1": regression.Config(),
    "regression, L2": regression.Config(loss="l2"),
    "MIP": mip.Config(),
    "CVAE": cvae.Config(),
    "tokens, in parallel": tokens.Config(decoding="parallel", smoothing=2.0),
    "tokens, one by one": tokens.Config(decoding="autoregressive", temperature=1.0),
    "diffusion": diffusion.Config(),
    "flow": flow.Config(),
}
"""Sampled as they were trained: with noise, where there is some. L1 asks for the median, L2 for the mean."""


def study() -> Study:
    return Study(
        question="Which action heads take one of two equally good ways, and which their mean?",
        base=pick_point("pick_flow:recipe=2026-11", task="detour", demonstrations=500, updates=2000),
        factors=[Factor("head", {name: {"train.policy.head": head} for name, head in HEADS.items()})],
        evaluations=Factor("execute", {4: {}, 8: {"evaluation.execution_horizon": 8}}),
    )
