"""Refuses a release whose tag, pyproject.toml, CITATION.cff and CHANGELOG.md name different versions.

python .ci/check_version.py v0.1.0
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def versions() -> dict[str, str]:
    """File -> the version that it names; of the changelog, the newest."""
    citation = re.search(
        r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE
    )
    changes = re.search(
        r"^## \[?v?(\d[\w.]*)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    return {
        "pyproject.toml": tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
            "version"
        ],
        "CITATION.cff": citation[1] if citation else "",
        "CHANGELOG.md": changes[1] if changes else "",
    }


def main(tag: str) -> int:
    """Exit status: 0 if all agree with `tag`."""
    wrong = {file: version for file, version in versions().items() if f"v{version}" != tag}
    for file, version in wrong.items():
        print(f"the tag is {tag}, but {file} says {version or 'nothing'}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
