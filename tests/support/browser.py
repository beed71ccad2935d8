"""A headless Chromium for the tests of pages."""

import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
needs_chromium = pytest.mark.skipif(
    not CHROMIUM.exists(), reason="needs Debian's chromium at /usr/bin/chromium"
)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-features=NetworkTimeServiceQuerying",
    "--hide-scrollbars",
    "--enable-logging=stderr",
    "--v=0",
]


def browse(page: Path, *flags: str) -> tuple[str, list[str]]:
    """Opens a page; gives the DOM after its scripts ran, and what the console said."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", *flags, "--dump-dom", page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def inspect(page: Path, script: str, folder: Path, width: int = 400) -> tuple[Any, list[str]]:
    """Runs a script on a page in a frame of that width, with its security policy taken off.

    Args:
        page: the file.
        script: statements that may use `page` (its document) and must end with `return` of plain data.
        folder: for two files of the frame.
        width: in pixels; 400 is a telephone.
    """
    inside = page.read_text(encoding="utf-8")
    inside = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", inside)
    (folder / "inside.html").write_text(inside, encoding="utf-8")
    (folder / "frame.html").write_text(
        f"""<!DOCTYPE html><title>frame</title>
        <iframe src="inside.html" width="{width}" height="800"></iframe>
        <pre id="result">waiting</pre><script>
        document.querySelector("iframe").addEventListener("load", (event) => {{
          const page = event.target.contentDocument;
          const answer = (() => {{ {script} }})();
          document.getElementById("result").textContent = JSON.stringify(answer);
        }});
        </script>""",
        encoding="utf-8",
    )
    dom, said = browse(folder / "frame.html", "--allow-file-access-from-files", "--virtual-time-budget=5000")
    return json.loads(re.search(r'<pre id="result">(.*?)</pre>', dom)[1]), said
