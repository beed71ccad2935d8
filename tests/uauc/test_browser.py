"""The page of benchmarks/uauc.py in a real browser: silent, nothing requested, nothing injected."""

import re

import pytest
from browser import browse, inspect, needs_chromium
from judged_files import judged

pytestmark = [needs_chromium, pytest.mark.long]
WIDTHS = (400, 1280)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    baseline = folder / "old <b>.parquet"
    judged(folder, "--baseline", baseline, "--bucket", "kind", "--count-bucket", "item_count:0:5")
    return folder / "out.html"


def test_the_console_stays_silent_and_names_stay_text(page):
    dom, said = browse(page)
    assert said == []
    assert dom.count("<script") == 1
    assert "<b>.parquet" not in dom
    assert "&lt;script&gt;alert(1)&lt;/script&gt; $x$ &amp;" in dom
    assert dom.count('aria-label="Show one metric"') == 3


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits_the_screen_and_no_text_of_a_plot_is_tiny_cut_off_or_on_another(page, tmp_path, width):
    script = """
      const root = page.documentElement;
      const requested = page.defaultView.performance.getEntriesByType("resource").map((one) => one.name);
      const overlaps = [], outside = [], heights = [];
      page.querySelectorAll("svg").forEach((svg) => {
        const frame = svg.getBoundingClientRect();
        const texts = Array.from(svg.querySelectorAll("text"), (text) => {
          const box = text.getBoundingClientRect();
          return {said: text.textContent.trim(), box, turned: box.height > box.width * 2};
        }).filter((text) => text.said !== "");
        texts.forEach(({said, box, turned}, at) => {
          if (!turned) heights.push(box.height);
          if (box.left < frame.left - 1 || box.right > frame.right + 1) outside.push(said);
          texts.slice(at + 1).forEach((other) => {
            const across = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
            const down = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
            if (across > 2 && down > box.height / 2) overlaps.push([said, other.said]);
          });
        });
      });
      return {requested, overlaps, outside, smallest: Math.min(...heights), n: heights.length,
              wide: root.scrollWidth, screen: root.clientWidth};
    """
    found, said = inspect(page, script, tmp_path, width)
    assert said == []
    assert found["requested"] == []
    assert found["wide"] <= found["screen"] <= width
    assert found["n"] > 100
    assert found["overlaps"] == []
    assert found["outside"] == []
    assert found["smallest"] > 10


def test_the_page_is_whole_without_its_script(page, tmp_path):
    bare = tmp_path / "bare.html"
    bare.write_text(re.sub(r"<script>.*?</script>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL))
    (dom, _), (still, said) = browse(page), browse(bare)
    assert said == []
    assert "<button" not in still
    assert still.count("<svg") == dom.count("<svg") == 11
    assert still.count("<tr") == dom.count("<tr")
