"""What the three reports share: the words that none of them says in its own way, and what they cost."""

import subprocess
import sys

import pytest

from learn_rank.report_kit import words
from learn_rank.report_kit.provenance import provenance, provenance_lines
from learn_rank.report_kit.rules import clear, mark

HEAVY = ("jinja2", "matplotlib", "torch", "scipy", "sklearn")


def row(low, high, **more):
    return {"delta": (low + high) / 2, "low": low, "high": high, "p_adjusted": None, **more}


@pytest.mark.parametrize("module", ["report_kit.words", "uauc.verdict", "uauc.terminal", "uauc.provenance"])
def test_words_and_the_judge_of_files_load_no_page_no_plot_and_no_model(module):
    code = f"import sys, learn_rank.{module}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("by +4.2 % [+1.1 %, +7.3 %] or", ["by", "+4.2_%_[+1.1_%,_+7.3_%]", "or"]),
        ("UAUC 0.83 [0.82, 0.84], so", ["UAUC", "0.83_[0.82,_0.84],", "so"]),
        ("95 % interval [0.1, 0.2]", ["95_%_interval", "[0.1,_0.2]"]),
        ("of 5 % and % alone", ["of", "5_%", "and", "%", "alone"]),
        ("an open [bracket stays", ["an", "open", "[bracket", "stays"]),
    ],
)
def test_a_line_ends_neither_before_a_percent_sign_nor_inside_a_result(text, pieces):
    assert words.unbroken(text).replace(words.NBSP, "_").split(" ") == pieces
    assert words.unbroken(text).replace(words.NBSP, " ") == text


@pytest.mark.parametrize(
    ("p", "text"), [(0.0009, "< .001"), (0.001, ".001"), (0.0234, ".023"), (1.0, "1.000"), (None, "–")]
)
def test_a_p_has_three_digits_and_no_leading_zero(p, text):
    assert words.p_words(p) == text


def test_an_interval_speaks_the_words_of_its_value():
    assert words.interval_words(0.01, 0.02) == "[0.0100, 0.0200]"
    assert words.interval_words(0.01, 0.02, words.percent_words) == "[+1.00 %, +2.00 %]"
    assert words.interval_words(0.01, None, words.percent_words) == ""


def test_a_flag_outweighs_the_interval_and_an_uncorrected_difference_is_clear_only_where_that_is_enough():
    assert mark(row(1, 2)) == "better"
    assert mark(row(1, 2), is_correction_needed=True) == "hint-better"
    assert mark(row(1, 2, p_adjusted=0.01, flag="skewed")) == "flagged"
    assert mark(row(-1, 2, flag=None)) == "none"
    rows = [row(1, 2), row(1, 2, p_adjusted=0.01), row(-2, -1, p_adjusted=0.01), row(1, 2, p_adjusted=0.06)]
    assert clear(rows, "better") == rows[1:2] and clear(rows, "worse") == rows[2:3]


def test_provenance_without_torch_names_the_machine_and_only_what_is_known_becomes_a_line():
    found = provenance(("numpy", "no-such-package"))
    assert set(found) == {"machine", "versions", "commit", "started"}
    assert "GPU" not in found["machine"] and found["versions"]["no-such-package"] == "not installed"
    lines = provenance_lines(
        {"command": "c", "seconds": 75, "versions": {"python": 3}}, [("own", "o"), ("x", "")]
    )
    assert lines == [("command", "c"), ("own", "o"), ("took", "1 min 15 s"), ("python", "3")]
