"""The A/B page in a real browser: no error, no request, no injected element, no wider than a telephone."""

import json
import re
from pathlib import Path

import pytest
from ab_report_fixture import EVIL, example_about, example_result, example_rows
from browser import browse, needs_chromium

from learn_rank.ab.report.page import ab_html

pytestmark = [needs_chromium, pytest.mark.long]


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    rows = [row | {"flag": EVIL} if row["metric"] == "CVR" else row for row in example_rows()]
    about = example_about(title=EVIL, notices=["<img src=x onerror=alert(2)>", "</style><b>"])
    path = tmp_path_factory.mktemp("ab") / "ab.html"
    path.write_text(ab_html(example_result(rows=rows, about=about)), encoding="utf-8")
    return path


def test_the_console_stays_silent_and_injected_markup_is_text(page):
    dom, said = browse(page)
    assert said == []
    assert dom.count("<script") == 1
    assert "<img" not in dom
    assert "&lt;script&gt;alert(1)&lt;/script&gt; $x$ &amp;" in dom
    assert dom.count('aria-label="Show one metric"') == 1


def test_the_page_requests_nothing_and_fits_a_telephone(page, tmp_path):
    inside = page.read_text(encoding="utf-8")
    inside = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", inside)
    (tmp_path / "inside.html").write_text(inside, encoding="utf-8")
    (tmp_path / "frame.html").write_text(
        """<!DOCTYPE html><title>frame</title><iframe src="inside.html" width="390" height="800"></iframe>
        <pre id="result">waiting</pre><script>
        document.querySelector("iframe").addEventListener("load", (event) => {
          const page = event.target.contentDocument, root = page.documentElement;
          const entries = page.defaultView.performance.getEntriesByType("resource");
          const table = page.querySelector("table.sortable"), heads = Array.from(table.tHead.rows[0].cells);
          const lift = heads.findIndex((head) => head.textContent.startsWith("Lift"));
          heads[lift].querySelector("button").click();
          const sorted = Array.from(table.tBodies[0].rows, (row) => row.cells[lift].dataset.order);
          page.querySelectorAll(".bar button")[1].click();
          const left = Array.from(table.tBodies[0].rows).filter((row) => !row.hidden);
          document.getElementById("result").textContent = JSON.stringify({
            requested: entries.map((entry) => entry.name), sorted,
            shown: left.map((row) => row.dataset.metric),
            wide: root.scrollWidth, screen: root.clientWidth});
        });
        </script>""",
        encoding="utf-8",
    )
    dom, said = browse(
        tmp_path / "frame.html", "--allow-file-access-from-files", "--virtual-time-budget=5000"
    )
    assert said == []
    found = json.loads(re.search(r'<pre id="result">(.*?)</pre>', dom)[1])
    assert found["requested"] == []
    numbers = [float(text) for text in found["sorted"] if text != ""]
    assert numbers == sorted(numbers, reverse=True) and len(numbers) == 27
    assert found["shown"] == ["revenue"] * 7
    assert found["wide"] <= found["screen"] <= 390
