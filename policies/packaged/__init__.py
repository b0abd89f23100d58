"""A small trained policy of this package, so that a robot obeys a sentence right after installation.

`vla package RUN` puts it here: config.json, model.safetensors, tokenizer/, summary.json and README.md, its
model card. A checkout in which nobody has done that carries none.
"""

from pathlib import Path

NAME = "packaged"
"""What the command line calls it."""
FOLDER = Path(__file__).parent


def packaged_policy() -> Path:
    """Folder of the packaged policy, for `Policy.load`.

    Raises:
        FileNotFoundError: this build carries none; says what to do.
    """
    if not (FOLDER / "model.safetensors").exists():
        raise FileNotFoundError(
            "this build of vlasandbox carries no policy of its own: name the folder of a run (`vla "
            "quickstart` trains some), or 'expert' for the task's scripted expert"
        )
    return FOLDER
