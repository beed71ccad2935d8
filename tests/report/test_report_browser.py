"""The page in a real browser: no error, no request, no injected element; scripts on and off."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from browser import CHROMIUM, FLAGS, browse, inspect, needs_chromium
from report_fixture import EVIL, example_report

from learn_rank.report import Report, write_report

pytestmark = [needs_chromium, pytest.mark.long]


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    report = example_report()
    about = report.about | {"title": EVIL}
    about["examples"] = [
        *about["examples"],
        {"title": "<img src=x onerror=alert(2)>", "brand": "</style><b>"},
    ]
    _, path = write_report(Report(report.rows, report.deltas, about), tmp_path_factory.mktemp("report"))
    return path


@pytest.fixture(scope="module")
def opened(page):
    return browse(page)


def test_the_console_stays_silent(opened):
    dom, said = opened  # with the page's security policy in force, a request would be an error as well
    assert "Would LLM knowledge help this ranker, and for whom?" in dom
    assert said == []


def test_the_console_is_heard_when_a_script_fails_and_when_the_policy_stops_a_request(tmp_path, page):
    path = tmp_path / "bad.html"
    policy = re.search(r'<meta http-equiv="Content-Security-Policy"[^>]*>', page.read_text(encoding="utf-8"))[
        0
    ]
    path.write_text(
        "<!DOCTYPE html><title>x</title><script>missing()</script>"
        + policy
        + "<img src='http://127.0.0.1:9/x.png'>"
    )
    _, said = browse(path)
    assert any("missing is not defined" in line for line in said)
    assert any("127.0.0.1:9/x.png" in line and "Content Security Policy" in line for line in said)


def test_injected_markup_did_not_become_an_element(opened):
    dom, _ = opened
    assert dom.count("<script") == 1
    assert "<img" not in dom
    assert "&lt;script&gt;alert(1)&lt;/script&gt; $x$ &amp;" in dom


def test_the_script_adds_the_filter_and_the_sorting_and_the_page_is_whole_without_it(opened, page, tmp_path):
    dom, _ = opened
    assert dom.count('aria-label="Show one metric"') == 3
    assert dom.count("<button") > 20
    bare = tmp_path / "bare.html"
    bare.write_text(re.sub(r"<script>.*?</script>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL))
    still, said = browse(bare)
    assert said == []
    assert "<button" not in still
    assert still.count("<svg") == dom.count("<svg") == 10
    assert still.count("<tr") == dom.count("<tr")


def test_the_page_requests_nothing_fits_a_narrow_screen_sorts_and_filters(page, tmp_path):
    """Clicks through the page from inside, in a frame as wide as a telephone, with its policy taken off."""
    script = """
      const root = page.documentElement;
      const table = page.querySelector("table.sortable"), head = table.tHead.rows[0].cells[2];
      const entries = page.defaultView.performance.getEntriesByType("resource");
      const requested = entries.map((entry) => entry.name);
      const column = () => Array.from(table.tBodies[0].rows, (row) => row.cells[2].dataset.order);
      const before = column();
      head.querySelector("button").click();
      const down = column();
      head.querySelector("button").click();
      const up = column();
      head.querySelector("button").click();
      const again = column();
      page.querySelectorAll(".bar button")[2].click();
      const left = Array.from(table.tBodies[0].rows).filter((row) => !row.hidden);
      const shown = left.map((row) => row.dataset.metric);
      return {requested, before, down, up, again, shown, wide: root.scrollWidth, screen: root.clientWidth};
    """
    found, said = inspect(page, script, tmp_path)
    assert said == []
    assert found["requested"] == []
    numbers = [float(text) for text in found["before"]]
    assert [float(text) for text in found["down"]] == sorted(numbers, reverse=True)
    assert [float(text) for text in found["up"]] == sorted(numbers)
    assert found["again"] == found["before"]
    assert found["shown"] == ["UAUC"] * 7
    assert found["wide"] <= found["screen"] <= 400


def test_the_page_can_be_printed(page, tmp_path):
    target = tmp_path / "report.pdf"
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path}/user", f"--print-to-pdf={target}"]
    subprocess.run([*command, page.as_uri()], capture_output=True, timeout=120, check=True, env=os.environ)
    assert target.read_bytes().startswith(b"%PDF")
