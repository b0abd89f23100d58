"""Datasets by their names on the Hugging Face Hub, which are fetched into its cache."""

import re
from pathlib import Path

from ...common.hub import checkpoint_files
from .files import DatasetError

PARTS = ("meta/**", "data/**", "videos/**", "images/**")
"""Files of a LeRobotDataset."""
_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def local_folder(root: Path) -> Path:
    """`root`; where nothing is there, but it may be a name on the Hub ("lerobot/pusht"), the folder of that
    dataset in the Hub's cache on this machine, brought up to date if the Hub answers.

    A path in a folder that exists is none, so that a misspelled one is not asked for.

    Raises:
        DatasetError: it cannot be had; says how it can.
    """
    if root.exists() or not _NAME.fullmatch(str(root)) or root.parent.exists():
        return root
    from huggingface_hub import snapshot_download

    name = root.as_posix()
    try:
        with checkpoint_files("dataset", name) as local:
            return Path(
                snapshot_download(
                    name, repo_type="dataset", allow_patterns=list(PARTS), local_files_only=local
                )
            )
    except ValueError as error:
        raise DatasetError(
            f"{name} is no folder, and the {error} (hf download --repo-type dataset {name} --local-dir "
            f"datasets/{root.name})"
        ) from None
