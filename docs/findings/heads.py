"""Study: four heads on the same trunk, each at its best learning rate. `vla study docs/findings/heads.py`"""

from vlasandbox.train.study import Factor, Study, pick_point

HEADS = ("regression", "tokens", "diffusion", "flow")


def study() -> Study:
    return Study(
        question="Which action head learns to pick best, each at its own learning rate?",
        base=pick_point("pick_flow:recipe=2026-11", updates=2000),
        factors=[
            Factor(
                "head",
                {
                    name: {"train.policy": pick_point(f"pick_{name}:recipe=2026-11").train.policy}
                    for name in HEADS
                },
            ),
            Factor("lr", {lr: {"train.optim.lr": lr} for lr in (5e-4, 1e-3, 2e-3)}),
        ],
        sweep="lr",
    )
