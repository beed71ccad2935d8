"""Hooks of the documentation site: the README is its first page, and links out of docs/ become plain text."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]


def on_files(files: Files, *, config: Any) -> Files:
    """Put the README in as index.md, with the links that it has from there."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").replace("](docs/", "](")
    files.append(File.generated(config, "index.md", content=text))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Name files outside of docs/ instead of linking to them; the site does not hold them."""
    depth = page.file.src_uri.count("/") + 1

    def plain(link: re.Match[str]) -> str:
        is_outside = link[2].startswith("../" * depth) or link[2].endswith("/")
        return link[1] if is_outside else link[0]

    return re.sub(r"\[([^\]]+)\]\(((?!http)[^)#]+)(?:#[^)]*)?\)", plain, markdown)
