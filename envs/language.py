"""Instruction grammar: the words and sentences that tasks use, and thus all a tokenizer must know."""

COLOURS = ("red", "green", "blue", "yellow")
OBJECTS = ("cube", "carton", "brick")
TEMPLATES = {"pick": "pick up the {colour} {object}"}
"""Sentence of each task."""


def instruction(task: str, colour: str, object_: str) -> str:
    """The sentence that asks `task` for one object, e.g. "pick up the red cube"."""
    return TEMPLATES[task].format(colour=colour, object=object_)


def all_instructions() -> list[str]:
    """Every sentence of the grammar, sorted."""
    return sorted(
        instruction(task, colour, object_) for task in TEMPLATES for colour in COLOURS for object_ in OBJECTS
    )


def vocabulary() -> list[str]:
    """Every word of the grammar, sorted."""
    return sorted({word for sentence in all_instructions() for word in sentence.split()})
