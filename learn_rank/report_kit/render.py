"""The frame of every page: a template with the style and the script that all reports share."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from learn_rank.report_kit import words

TEMPLATES = Path(__file__).with_name("templates")


def render(template: str, content: Mapping[str, Any], folder: Path) -> str:
    """Fills a template that takes `style`, `script` and `script_digest` besides its content.

    Args:
        template: its name.
        content: what it shows; text is escaped, `Markup` is not.
        folder: where it lies; what it imports may lie here as well.
    """
    environment = Environment(
        loader=FileSystemLoader([folder, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["words"] = words
    script = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template(template).render(
        **content,
        style=Markup((TEMPLATES / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_digest=digest,
    )


def interval_name(about: Mapping[str, Any]) -> str:
    """`95 % interval` where the confidence is stated, else `interval`."""
    confidence = about.get("confidence")
    return f"{100 * confidence:g} % interval" if confidence is not None else "interval"
