"""Study: every tiny system learns `pick` under one budget. `vla study docs/systems/pick.py`"""

from vlasandbox.train.study import WITH_CONTROLS, Factor, Study, pick_point

EXECUTED = {
    "rt1": 1,
    "rt2": 1,
    "octo": 4,
    "openvla": 1,
    "pi0": 4,
    "pi0_fast": 4,
    "openvla_oft": 8,
    "pi05": 4,
    "smolvla": 4,
    "act": 1,
    "diffusion_policy_unet": 4,
    "diffusion_policy_transformer": 4,
    "bet": 1,
    "vq_bet": 5,
    "groot": 4,
    "vla0": 1,
    "mip": 4,
    "discrete_diffusion": 4,
}
"""Actions of each chunk that are executed, as published or nearest to it (README.md)."""

ENSEMBLE = {"act": 0.01, "vla0": 0.0}
"""Decay of the temporal ensemble, of the systems that have one."""


def study() -> Study:
    levels = {}
    for name, execute in EXECUTED.items():
        levels[name] = {
            "train": pick_point(f"{name}:recipe=2026-11").train,
            "evaluation.execution_horizon": execute,
            "evaluation.ensemble": ENSEMBLE.get(name),
        }
    return Study(
        question="Do the tiny systems learn to pick what they are told?",
        base=pick_point("pi0:recipe=2026-11"),
        factors=[Factor("system", levels)],
        evaluations=WITH_CONTROLS,
        seeds=1,
    )
