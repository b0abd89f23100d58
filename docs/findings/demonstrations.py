"""Study: how many demonstrations, and how disturbed. `vla study docs/findings/demonstrations.py`"""

from vlasandbox.train.study import Study, pick_point


def study() -> Study:
    return Study(
        question="How many demonstrations, with and without disturbances to recover from?",
        base=pick_point("pick_flow:recipe=2026-11", updates=2000),
        axes={
            "disturbances": {"yes": {}, "no": {"record.noise": None}},
            "demonstrations": {str(n): {"record.episodes": n} for n in (10, 30, 100, 300)},
        },
    )
