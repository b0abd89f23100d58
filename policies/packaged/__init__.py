"""A small trained policy in this package, so that a robot follows instructions right after installation.

`vla package RUN` puts it here: config.json, model.safetensors, tokenizer/, summary.json and README.md, its
model card. A checkout has none until somebody does that.
"""

from pathlib import Path

from ...common.errors import AbsentFileError

NAME = "packaged"
"""Name of this policy on the command line."""
FOLDER = Path(__file__).parent


def packaged_policy() -> Path:
    """Folder of the packaged policy, for `Policy.load`.

    Raises:
        FileNotFoundError: this build has none; the message says what to do.
    """
    if not (FOLDER / "model.safetensors").exists():
        raise AbsentFileError(
            "this build of vlasandbox carries no policy of its own: name the folder of a run (`vla "
            "quickstart` trains some), or 'expert' for the task's scripted expert"
        )
    return FOLDER
