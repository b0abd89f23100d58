"""Levels of a factor, and how they read in names and labels."""

Level = str | int | float
"""Level of a factor: a number where the factor is numeric, else a word."""
_ANSWERS = ("yes", "no", "on", "off", "none")
"""Words that say nothing without the name of their factor."""


def is_number(level: Level) -> bool:
    """Whether the level is a number."""
    return not isinstance(level, str)


def level_text(level: Level) -> str:
    """The level as it stands in names of cells: "flow", "8", "0.001"."""
    return f"{level:g}" if isinstance(level, float) else str(level)


def in_words(label: str, level: Level) -> str:
    """A level as part of a name: "flow", but "chunk 8", "rate 5 Hz" (for the label "rate [Hz]"), "noise
    yes"."""
    text = level_text(level)
    if not is_number(level) and level not in _ANSWERS:
        return text
    name, _, unit = label.removesuffix("]").partition("[")
    return " ".join(part for part in (name.strip(), text, unit) if part)
