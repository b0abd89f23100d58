"""Study: answers that come late. `vla study docs/findings/delay.py`"""

from vlasandbox.train.study import Factor, Study, pick_point

HANDLED = {
    "the robot waits": {"evaluation.blocking": True},
    "the old chunk goes on": {},
    "real-time chunking": {"evaluation.rtc": True},
}
DELAYS = range(5)


def study() -> Study:
    return Study(
        question="What does inference delay cost, and what helps?",
        base=pick_point("pick_flow:recipe=2026-11", updates=3500),
        factors=[Factor("chunk", {16: {"train.data.chunk": 16}})],
        evaluations=[
            Factor("handling", HANDLED),
            Factor("", {d: {"evaluation.inference_delay": d} for d in DELAYS}, unit="late"),
        ],
    )
