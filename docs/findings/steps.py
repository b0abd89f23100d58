"""Study: passes of a flow head, and its training times. `vla study docs/findings/steps.py`"""

from vlasandbox.policies.heads import flow
from vlasandbox.train.study import Factor, Study, pick_point

TIMES = ("beta", "uniform", "shifted")
NOISE = {"": "", ", no noise": ",temperature=0"}
"""Where sampling starts: in noise as in training, or in its middle."""


def study() -> Study:
    heads = {time: {"train.policy.head": flow.Config(time=time)} for time in TIMES}
    return Study(
        question="How few passes can flow do with, and does the distribution of training times matter?",
        base=pick_point("pick_flow:recipe=2026-11", updates=2000),
        factors=[Factor("training times", heads)],
        evaluations={
            f"{n} passes{said}": {"evaluation.sampling": f"steps={n}{sampling}"}
            for said, sampling in NOISE.items()
            for n in (1, 2, 5, 10)
        },
    )
