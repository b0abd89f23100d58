"""Study: five systems on `place`, which is longer. `vla study docs/systems/place.py`"""

from vlasandbox.train.study import WITH_CONTROLS, Factor, Study, pick_point

EXECUTED = {"openvla": 1, "pi0": 4, "pi0_fast": 4, "act": 1, "diffusion_policy_unet": 4}
"""As on `pick` (pick.py)."""


def study() -> Study:
    base = pick_point("pi0:recipe=2026-11", task="place")
    levels = {
        name: {"train": pick_point(f"{name}:recipe=2026-11").train, "evaluation.execution_horizon": n}
        for name, n in EXECUTED.items()
    }
    levels["act"]["evaluation.ensemble"] = 0.01
    return Study(
        question="Do five tiny systems learn to put what they are told where they are told?",
        base=base,
        factors=[Factor("system", levels)],
        evaluations=WITH_CONTROLS,
        seeds=1,
    )
