"""Links from pages to files of the repository outside docs/ lead to copies of them on the site.

A Markdown file such as CONTRIBUTING.md becomes a page, whose own links are followed too; any other file
becomes a page that shows its text. So pages can be read in the repository and on the site alike, and the site
needs no address of the repository.
"""

import os
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
COPIES = DOCS / "reference" / "files"
LINK = re.compile(r"(\]\()([^)\s#:]+)(#[^)\s]*)?(\))")
FENCE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
LEXERS = {".py": "python", ".toml": "toml", ".yml": "yaml", ".txt": "text"}


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", _copy_all)
    app.connect("source-read", _rewrite_page)
    return {"parallel_read_safe": True}


def _copy_all(app: Any) -> None:
    wanted = [path for path in DOCS.rglob("*.md") if not path.is_relative_to(COPIES)]
    texts = {path: path.read_text(encoding="utf-8") for path in wanted}
    copied: set[Path] = set()
    while texts:
        page, text = texts.popitem()
        for target in linked_files(page, text) - copied:
            copied.add(target)
            body = target.read_text(encoding="utf-8")
            if target.suffix == ".md":
                texts[target] = body
    COPIES.mkdir(parents=True, exist_ok=True)
    names = {copy_of(target): target for target in copied}
    for old in COPIES.glob("*.md"):
        if old not in names:
            old.unlink()
    for place, target in names.items():
        text = _copy(target, place)
        if not place.exists() or place.read_text(encoding="utf-8") != text:
            place.write_text(text, encoding="utf-8")


def _copy(target: Path, place: Path) -> str:
    body = target.read_text(encoding="utf-8")
    if target.suffix == ".md":
        return "---\norphan: true\n---\n" + rewritten(body, target, place)
    fence = "`" * 8
    lexer = LEXERS.get(target.suffix, "text")
    return f"---\norphan: true\n---\n# {target.relative_to(ROOT)}\n\n{fence}{lexer}\n{body}\n{fence}\n"


def _rewrite_page(app: Any, docname: str, source: list[str]) -> None:
    page = Path(app.env.doc2path(docname))
    if page.suffix == ".md" and not page.is_relative_to(COPIES):
        source[0] = rewritten(source[0], page, page)


def linked_files(page: Path, text: str) -> set[Path]:
    """Files of the repository outside docs/ that `text`, that of `page`, links to."""
    targets = (_target(page, link[2]) for part in FENCE.split(text)[::2] for link in LINK.finditer(part))
    return {target for target in targets if target is not None and not target.is_relative_to(DOCS)}


def rewritten(text: str, page: Path, place: Path) -> str:
    """`text` of `page` with links that hold where it stands on the site, at `place`."""

    def link(match: re.Match[str]) -> str:
        target = _target(page, match[2])
        if target is None:
            return match[0]
        target = target if target.is_relative_to(DOCS) else copy_of(target)
        return f"{match[1]}{os.path.relpath(target, place.parent)}{match[3] or ''}{match[4]}"

    parts = FENCE.split(text)
    return "".join(part if i % 2 else LINK.sub(link, part) for i, part in enumerate(parts))


def copy_of(target: Path) -> Path:
    """Page of the site that holds the file `target`."""
    return COPIES / (str(target.relative_to(ROOT)).replace("/", "-").removesuffix(".md") + ".md")


def _target(page: Path, link: str) -> Path | None:
    target = (page.parent / link).resolve()
    return target if target.is_file() and target.is_relative_to(ROOT) else None
