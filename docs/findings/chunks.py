"""Study: chunk length x executed steps. `vla study docs/findings/chunks.py`"""

from vlasandbox.train.study import Factor, Study, pick_point

LENGTHS = (1, 2, 4, 8, 16)


def study() -> Study:
    return Study(
        question="How long a chunk, and how much of it?",
        base=pick_point("pick_flow:recipe=2026-11", updates=2000),
        factors=[Factor("chunk", {k: {"train.data.chunk": k} for k in LENGTHS})],
        evaluations=Factor("execute", {n: {"evaluation.execution_horizon": n} for n in LENGTHS}),
    )
