"""A study of two trainings that take seconds."""

from vlasandbox.train.study import Factor, Study, pick_point
from vlasandbox.train.study.definition import named

BASE = pick_point("debug", demonstrations=2, updates=2)
CHUNKS = Factor("chunk", {4: {"train.data.chunk": 4}, 8: {"train.data.chunk": 8}})
STUDY = Study(
    "Does anything happen?",
    BASE,
    [CHUNKS],
    evaluations={
        "test": {"evaluation.episodes": 2},
        "blank": {"evaluation.episodes": 2, "condition": "blank_image"},
    },
    seeds=1,
)
NAMED = {name: evaluation.changes for name, evaluation in named(STUDY.evaluations).items()}
"""Changes of each of its evaluations."""
