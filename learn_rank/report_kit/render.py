"""The frame of every page: a template with the style and the script that all reports share."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from learn_rank.report_kit import words

TEMPLATES = Path(__file__).with_name("templates")


def render(template: str, content: Mapping[str, Any], folder: Path, style: str | None = None) -> str:
    """Fill a template that extends `page.html.j2`; it may take cells from `cells.html.j2`.

    Args:
        template: its name, `NAME.html.j2`.
        content: what it shows, and `main_class` where the main part has a class; text is escaped, `Markup`
            is not.
        folder: where it lies.
        style: the name of a file beside it that follows the shared style; None is `NAME.css`.
    """
    own_style = folder / (template.replace(".html.j2", ".css") if style is None else style)
    styles = [TEMPLATES / "page.css", *([own_style] if own_style.is_file() else [])]
    script = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment(folder)
        .get_template(template)
        .render(
            **{"main_class": "", **content},
            style=Markup("".join(path.read_text(encoding="utf-8") for path in styles)),
            script=Markup(script),
            script_digest=digest,
        )
    )


@cache  # a template is compiled once, however many pages are made of it
def _environment(folder: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader([folder, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["words"] = words
    environment.filters["unbroken"] = words.unbroken
    return environment
