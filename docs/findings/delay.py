"""Study: answers that come late. `vla study docs/findings/delay.py`"""

from vlasandbox.train.study import Study, pick_point

HANDLED = {
    "the robot waits": {"exam.wait": True},
    "the old chunk goes on": {},
    "real-time chunking": {"exam.guided": True},
}
DELAYS = range(5)


def study() -> Study:
    evaluations = {
        f"{how}, {d} late": {"exam.delay": d, **what} for how, what in HANDLED.items() for d in DELAYS
    }
    return Study(
        question="What does inference delay cost, and what helps?",
        base=pick_point("pick_flow:recipe=2026-11", updates=3500),
        axes={"chunk": {"16": {"train.data.chunk": 16}}},
        evaluations=evaluations,
    )
