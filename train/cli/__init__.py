"""The command line: `vla VERB ...`, one verb a file. Nothing heavy is imported before a verb needs it."""

from ._dispatch import main as main
