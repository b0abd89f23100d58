"""Study: how many demonstrations, and how disturbed. `vla study docs/findings/demonstrations.py`"""

from vlasandbox.train.study import Factor, Study, pick_point


def study() -> Study:
    return Study(
        question="How many demonstrations, with and without disturbances to recover from?",
        base=pick_point("pick_flow:recipe=2026-11", updates=2000),
        factors=[
            Factor("disturbances", {"yes": {}, "no": {"record.noise": None}}),
            Factor("demonstrations", {n: {"record.episodes": n} for n in (10, 30, 100, 300)}),
        ],
    )
