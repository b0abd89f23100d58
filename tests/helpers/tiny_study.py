"""A study of two trainings that take seconds."""

from vlasandbox.train.study import Study, pick_point

BASE = pick_point("debug", demonstrations=2, updates=2)
STUDY = Study(
    "Does anything happen?",
    BASE,
    {"chunk": {"4": {"train.data.chunk": 4}, "8": {"train.data.chunk": 8}}},
    evaluations={"test": {"exam.episodes": 2}, "blank": {"exam.episodes": 2, "condition": "blank_image"}},
    seeds=1,
)
