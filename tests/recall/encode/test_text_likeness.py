"""Texts that number things say one thing: counted by hand, and as properties of any texts."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learn_recall.text.likeness import text_likeness

texts = st.lists(st.sampled_from(["a b", "A, b 7", "b a", "c", "", "12", "c3", "C!"]), max_size=12)


def test_texts_are_alike_where_only_numbers_case_and_marks_differ():
    found = text_likeness(["Article 1", "article no2", "ARTICLE", "Article, art.", "Milk", "Milk 2 l"])
    assert (found.n_texts, found.n_different, found.n_alike) == (6, 4, 3)
    assert found.share_alike == 3 / 6
    assert found.commonest == "Article 1"


def test_the_effective_number_is_that_of_texts_of_equal_share():
    assert text_likeness(["a", "b", "c", "d"]).n_effective == pytest.approx(4)
    found = text_likeness(["a"] * 3 + ["b"])
    assert found.n_effective == pytest.approx(math.exp(-(3 / 4 * math.log(3 / 4) + 1 / 4 * math.log(1 / 4))))


def test_texts_of_another_script_are_told_apart():
    assert text_likeness(["耳环 5", "耳环 6", "口红"]).n_different == 2


def test_without_texts_nothing_is_alike():
    found = text_likeness([])
    assert (found.n_texts, found.n_different, found.share_alike, found.n_effective) == (0, 0, 0.0, 0.0)


@settings(max_examples=50, deadline=None)
@given(texts)
def test_counts_agree_with_a_loop_over_all_pairs(drawn):
    def said(text):
        words = "".join(c if c.isalnum() else " " for c in text.lower()).split()
        return [word for word in words if not any(c.isdigit() for c in word)]

    found = text_likeness(iter(drawn))
    has_twin = [
        any(said(a) == said(b) for at, b in enumerate(drawn) if at != own) for own, a in enumerate(drawn)
    ]
    assert found.n_alike == sum(has_twin)
    assert found.n_different <= len(drawn) and found.n_effective <= found.n_different + 1e-9
