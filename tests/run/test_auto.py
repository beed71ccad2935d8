"""`auto`: the fused ranker only where validation proves it better, head by head."""

import numpy as np
import pandas as pd
import pytest
from auto_worlds import better_everywhere, divided, noisy, scores, world

from learn_rank.run.auto_arm import choices, served_heads, write_auto
from learn_rank.run.auto_choice import choose, combine
from learn_rank.run.folder import RunFolder
from learn_rank.run.predictions import write_predictions


def test_a_fused_ranker_that_is_better_in_both_heads_serves_both():
    labels, liking, buying, rng = world()
    base = scores(noisy(liking, 1.5, rng), noisy(buying, 1.5, rng))
    fused = scores(noisy(liking, 0.5, rng), noisy(buying, 0.5, rng))
    choice = choose(labels, base, fused)
    assert choice.fuses_ctr and choice.fuses_cvr
    pd.testing.assert_frame_equal(combine(choice, base, fused), fused)


def test_a_fused_ranker_that_is_worse_or_the_same_leaves_the_base_as_it_was():
    labels, liking, buying, rng = world()
    base = scores(noisy(liking, 0.5, rng), noisy(buying, 0.5, rng))
    worse = scores(noisy(liking, 1.5, rng), noisy(buying, 1.5, rng))
    for candidate in (worse, base):
        choice = choose(labels, base, candidate)
        assert not (choice.fuses_ctr or choice.fuses_cvr)
        pd.testing.assert_frame_equal(combine(choice, base, candidate), base)


def test_a_conversion_head_that_loses_stays_with_the_base_and_the_joint_score_is_made_of_both():
    labels, liking, buying, rng = world()
    base = scores(noisy(liking, 1.5, rng), noisy(buying, 0.5, rng))
    fused = scores(noisy(liking, 0.5, rng), noisy(buying, 1.5, rng))
    choice = choose(labels, base, fused)
    assert choice.fuses_ctr and not choice.fuses_cvr
    served = combine(choice, base, fused)
    np.testing.assert_array_equal(served["pctr"], fused["pctr"])
    np.testing.assert_array_equal(served["pcvr"], base["pcvr"])
    np.testing.assert_array_equal(served["pctcvr"], fused["pctr"] * base["pcvr"])
    assert choice.words.startswith("the click head from the fused ranker")


@pytest.mark.long
def test_two_rankers_that_are_equal_in_truth_are_taken_for_better_in_one_of_forty_worlds():
    n_taken = 0
    for seed in range(200):
        labels, liking, buying, rng = world(n_users=60, n_rows=10, seed=seed)
        base, fused = (scores(noisy(liking, 1.0, rng), noisy(buying, 1.0, rng)) for _ in range(2))
        n_taken += choose(labels, base, fused).fuses_ctr
    assert n_taken <= 14  # binomial(200, 1/40): above 14 with probability .0003


def test_without_conversions_both_heads_follow_the_clicks():
    labels, liking, buying, rng = world()
    labels = labels.drop(columns="conversion")
    base, fused = scores(noisy(liking, 1.5, rng), buying), scores(noisy(liking, 0.5, rng), buying)
    choice = choose(labels, base, fused)
    assert choice.cvr is None and choice.fuses_ctr and choice.fuses_cvr


def test_validation_without_both_classes_proves_nothing_and_so_the_base_stays():
    labels, liking, buying, _ = world(n_users=5)
    labels = labels.assign(click=0, conversion=np.nan)
    choice = choose(labels, scores(-liking, buying), scores(liking, buying))
    assert not (choice.fuses_ctr or choice.fuses_cvr)


def test_other_rows_are_refused_with_the_counts():
    labels, liking, buying, _ = world(n_users=3)
    one = scores(liking, buying)
    with pytest.raises(ValueError, match="got 60, 60 and 59 rows"):
        choose(labels, one, one.iloc[:-1])


def test_vectors_that_help_new_items_alone_serve_new_items_alone():
    labels, liking, buying, is_new, rng = divided()
    base = scores(np.where(is_new, -1, liking - 1), buying)  # it knows nothing of new items
    fused = scores(np.where(is_new, liking - 1, noisy(liking, 1.5, rng) - 1), buying)
    choice = choose(labels, base, fused)
    assert (choice.click, choice.conversion) == ("new", "none")
    served = combine(choice, base, fused, is_new)
    np.testing.assert_array_equal(served["pctr"], np.where(is_new, fused["pctr"], base["pctr"]))
    np.testing.assert_array_equal(served["pctcvr"], served["pctr"] * base["pcvr"])
    assert "for new items, from the base for those of training" in choice.words
    with pytest.raises(ValueError, match="is_new: expected which items training never had"):
        combine(choice, base, fused)


def test_a_fused_ranker_that_pushes_every_new_item_down_serves_the_items_of_training():
    labels, liking, buying, is_new, rng = divided()
    base = scores(noisy(liking, 1.0, rng) - 1, buying)
    fused = scores(noisy(liking, 0.2, rng) - 1 - 2 * is_new, buying)
    choice = choose(labels, base, fused)
    assert choice.click == "known"
    assert any(
        reason.startswith("items that training never had: predicted over") for reason in choice.against
    )


def test_one_ranker_that_is_as_good_as_two_serves_alone():
    labels, liking, buying, _, rng = divided()
    base = scores(noisy(liking, 1.0, rng) - 1, buying)
    fused = scores(noisy(liking, 0.5, rng) - 1, buying)
    assert choose(labels, base, fused).click == "all"


def test_few_clicks_on_new_items_are_no_reason_to_divide():
    labels, liking, buying, is_new, rng = divided()
    rare = is_new & (np.cumsum(is_new) <= 60)
    base = scores(noisy(liking, 0.5, rng) - 1, buying)
    fused = scores(np.where(rare, 3 * liking, noisy(liking, 1.0, rng)) - 1, buying)
    assert choose(labels.assign(item_is_new=rare), base, fused).click == "none"


def test_new_items_of_which_validation_saw_few_clicks_stay_with_the_base_in_both_heads():
    labels, base, fused, is_new = better_everywhere(120)
    n_clicks = int(labels["click"][is_new].sum())
    assert 0 < n_clicks < 100
    choice = choose(labels, base, fused)
    assert (choice.click, choice.conversion, choice.few_new_clicks) == ("known", "known", n_clicks)
    assert choice.words == (
        "both heads from the fused ranker for items of training, from the base for new ones: both are "
        f"served; nothing was proved for new items, of which validation has {n_clicks} clicks, and 100 are "
        "needed"
    )
    served = combine(choice, base, fused, is_new)
    pd.testing.assert_frame_equal(served[is_new], base[is_new])
    pd.testing.assert_frame_equal(served[~is_new], fused[~is_new])


def test_without_a_new_item_in_validation_they_stay_with_the_base_where_there_will_be_some():
    labels, base, fused, _ = better_everywhere(0)
    there = choose(labels, base, fused, meets_new=True)
    assert (there.click, there.conversion, there.few_new_clicks) == ("known", "known", 0)
    nowhere = choose(labels, base, fused)
    assert (nowhere.click, nowhere.conversion, nowhere.few_new_clicks) == ("all", "all", None)
    unknown = choose(labels.drop(columns="item_is_new"), base, fused, meets_new=True)
    assert (unknown.click, unknown.few_new_clicks) == ("all", None)  # predictions of an older version


def test_new_items_with_enough_clicks_come_from_the_ranker_that_is_better_for_all():
    labels, base, fused, _ = better_everywhere(1000)
    choice = choose(labels, base, fused, meets_new=True)
    assert (choice.click, choice.conversion, choice.few_new_clicks) == ("all", "all", None)


def test_a_run_whose_test_rows_have_new_items_serves_the_base_there_and_says_so(tmp_path):
    labels, base, fused, _ = better_everywhere(0)
    run, is_new = RunFolder(tmp_path), np.arange(len(labels)) % 5 == 0
    for arm, own in (("baseline", base), ("learn", fused)):
        write_predictions(run.validation_of(arm, 0), labels, own)
        write_predictions(run.predictions_of(arm, 0), labels.assign(item_is_new=is_new), own)
    write_auto(run, ["baseline", "learn"], [0])
    served = pd.read_parquet(run.predictions_of("auto", 0))
    for name in ("pctr", "pcvr", "pctcvr"):
        np.testing.assert_array_equal(served[name], np.where(is_new, base[name], fused[name]))
    heads = served_heads(run, 0)
    assert (heads.click, heads.conversion, heads.arm) == ("known", "known", None)
    assert "nothing was proved for new items, of which validation has 0 clicks" in choices(run, [0])


def test_a_ranker_that_gains_between_users_and_loses_inside_them_is_not_taken():
    labels, liking, buying, rng = world()
    per_user = np.repeat(rng.normal(size=400), 20)
    labels["click"] = (rng.random(len(labels)) < 1 / (1 + np.exp(1 - liking - 3 * per_user))).astype(int)
    labels["conversion"] = np.where(labels["click"] == 1, 0.0, np.nan)
    base, fused = scores(liking - 1, buying), scores(3 * per_user - 1, buying)
    choice = choose(labels, base, fused)
    assert choice.ctr.low > 0 and choice.click == "none"
    assert choice.against[0].startswith("UAUC of clicks -")


def test_predictions_of_a_bucket_that_are_far_off_forbid_a_ranker_that_orders_better():
    labels, liking, buying, rng = world()
    bucket = np.where(rng.random(len(labels)) < 0.5, "cold-start", "other")
    labels = labels.assign(item_bucket=bucket)
    base = scores(noisy(liking, 1.5, rng) - 1, buying)
    shift = np.where(bucket == "cold-start", -0.4, 0.4)
    fused = scores(noisy(liking, 0.2, rng) - 1 + shift, buying)
    choice = choose(labels, base, fused)
    assert choice.ctr.low > 0 and choice.click == "none"
    assert {reason.split(":")[0] for reason in choice.against} == {"cold-start items", "other items"}
    assert choose(labels.drop(columns="item_bucket"), base, fused).click == "all"
