"""Study: ids of actions as words of the trunk, or of their own. `vla study docs/findings/words.py`"""

from vlasandbox.train.study import Factor, Study, pick_point

IDS = {"own": ("own", "none"), "words, tied": ("words", "tied"), "words, untied": ("words", "untied")}
"""The head's `ids`, and the output layer of the language model. The trunk has 512 words in all three."""


def study() -> Study:
    ids = {
        name: {
            "train.policy.head.ids": ids,
            "train.policy.trunk.language.lm_head": lm_head,
            "evaluation.execution_horizon": 1,
        }
        for name, (ids, lm_head) in IDS.items()
    }
    return Study(
        question="Does it matter whether actions are words of the trunk or have ids of their own?",
        base=pick_point("rt2:recipe=2026-11", updates=2000),
        factors=[Factor("ids", ids)],
    )
