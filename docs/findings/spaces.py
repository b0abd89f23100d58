"""Study: the space of the actions. `vla study docs/findings/spaces.py`"""

from vlasandbox.train.study import Factor, Study, pick_point

HEADS = ("regression", "flow")
SPACES = ("ee_delta", "ee_absolute", "ee_relative", "joint_delta", "joint_absolute")


def study() -> Study:
    return Study(
        question="Which space should actions be in?",
        base=pick_point("pick_flow:recipe=2026-11", updates=2000),
        factors=[
            Factor(
                "head",
                {
                    name: {"train.policy": pick_point(f"pick_{name}:recipe=2026-11").train.policy}
                    for name in HEADS
                },
            ),
            Factor("space", {name: {"train.data.action_space": name} for name in SPACES}),
        ],
    )
