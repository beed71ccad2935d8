"""`learn-rank ab` as people run it: files in, tables, JSON, page and exit codes out."""

import json
import re
import runpy
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmarks.ab.candidate_worlds import small_world
from learn_rank.ab.report.result import read_result
from learn_rank.cli import app

N_DAYS = 3
WIDE = {"COLUMNS": "100", "TERM": "dumb"}


def run(*arguments):
    return CliRunner().invoke(app, ["ab", *map(str, arguments)], env=WIDE)


def flat(text):
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", text).split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Candidates of 4 days: an oracle against itself, against the wrong items, against inflated scores."""
    place = tmp_path_factory.mktemp("ab")
    world = small_world(n_users=900, n_days=4, n_requests_per_day=2500, n_candidates=5, noise=(0.0, 0.0))
    world.to_parquet(place / "same.parquet")
    bad = world.assign(pctr_b=0.5 / (1 + 99 * world["pctr_b"]))  # the worse, the higher
    bad.to_parquet(place / "bad.parquet")
    world.assign(pcvr_b=np.minimum(1.3 * world["pcvr_b"], 1)).to_parquet(place / "inflated.parquet")
    return place


@pytest.fixture(scope="module")
def same(folder):
    """The run of two identical rankers, with its files."""
    found = run(
        *(folder / "same.parquet", "--environment", "known", "--days", N_DAYS, "--pre-days", 1),
        *("--treatment-share", 0.3, "--delay-days", 0.05, "--json", folder / "same.json"),
        *("--html", folder / "same.html", "--fail-if-worse"),
    )
    return found, read_result(folder / "same.json")


def log_frame(n_rows=6000, lift=0.0, seed=0):
    """Three actions, drawn with known chances; control acts uniformly, treatment prefers the first."""
    generator = np.random.default_rng(seed)
    chances = np.array([0.5, 0.3, 0.2])
    action = generator.choice(3, n_rows, p=chances)
    click = generator.random(n_rows) < 0.1 + lift * (action == 0)
    return pd.DataFrame(
        {
            "user_id": generator.integers(0, 700, n_rows),
            "propensity": chances[action],
            "p_a": np.full(n_rows, 1 / 3),
            "p_b": np.array([0.8, 0.1, 0.1])[action],
            "click": click.astype(float),
        }
    )


# --- simulation


def test_two_identical_rankers_give_no_detectable_difference_and_no_launch_effect(same):
    found, result = same
    assert found.exit_code == 0, found.output
    assert result.verdict.status == "no detectable difference"
    assert result.mode == "E"
    assert {row["launch"] for row in result.rows if row["bucket_kind"] == "all"} == {0.0}


def test_the_files_hold_what_the_terminal_says(same, folder):
    found, result = same
    shown = flat(found.output)
    assert f"Verdict: {result.verdict.status}" in shown
    assert "A simulated lift is not evidence of online lift." in shown
    assert flat(result.verdict.words[0]) in shown
    page = (folder / "same.html").read_text(encoding="utf-8")
    assert result.verdict.words[0].split(":")[0] in page
    assert max(map(len, found.output.splitlines())) <= 100


def test_everything_that_a_reader_needs_stands_beside_the_numbers(same):
    _, result = same
    about = result.about
    assert about["command"].startswith("learn-rank")  # what follows is what pytest was called with
    assert about["config"]["treatment_share"] == 0.3
    assert {"commit", "machine", "versions", "seconds", "excluded", "counts", "spend"} <= set(about)
    assert [row["arm"] for row in about["spend"]] == ["a", "b"]
    assert len(result.daily) == N_DAYS * 4
    assert about["excluded"]["days_behind_the_test"] == 0  # one of the four days stands before it
    assert any("CUPED" in notice for notice in about["notices"])
    assert {guard.name.split(",")[0] for guard in result.guards} >= {
        "sample ratio",
        "A/A rejections",
        "interference",
        "skewness",
    }


def test_spend_is_the_sum_of_both_arms_bills(same):
    _, result = same
    revenue = next(row for row in result.rows if (row["metric"], row["bucket"]) == ("conversions", "all"))
    for arm, row in zip(("control", "treatment"), result.about["spend"], strict=True):
        assert row["n_users"] == revenue[f"n_users_{arm}"]
        assert row["conversions"] == revenue[f"conversions_{arm}"]
        assert row["price_per_click"] == pytest.approx(row["revenue"] / row["clicks"])


def test_a_treatment_that_shows_the_wrong_items_never_passes(folder):
    found = run(folder / "bad.parquet", "--environment", "known", "--days", 3, "--fail-if-worse", "--no-aa")
    assert found.exit_code in (1, 3), found.output
    assert "Verdict: better" not in found.output


def test_worse_is_exit_code_1_only_when_asked_for(folder):
    """Judged on CTR alone, with scores that promise what the environment keeps."""
    world = pd.read_parquet(folder / "same.parquet")
    best = world.groupby("request_id")["p_click"].transform("max")
    world["bid"] = 20.0
    world["pctr_a"] = world["p_click"]
    world["pcvr_a"] = world["pcvr_b"] = world["p_conversion"] = 0.2
    world["pctr_b"] = np.where(world["p_click"] == best, 0.0, world["p_click"])  # never shows the best
    world.to_parquet(folder / "second.parquet")
    asked = [folder / "second.parquet", "--environment", "known", "--days", 4, "--treatment-share", 0.5]
    asked += ["--delay-days", 0, "--no-aa"]
    assert run(*asked, "--metrics", "CTR", "--fail-if-worse").exit_code == 1
    assert run(*asked, "--metrics", "CTR").exit_code == 0


def test_an_arm_that_inflates_its_conversion_scores_is_invalid(folder):
    found = run(folder / "inflated.parquet", "--environment", "known", "--days", 4, "--treatment-share", 0.5)
    assert found.exit_code == 3, found.output
    assert "calibration of conversions, treatment over control" in flat(found.output)


def test_the_same_command_gives_the_same_numbers_and_another_salt_another_split(folder):
    asked = [folder / "same.parquet", "--environment", "known", "--days", 2, "--no-aa"]
    made = []
    for name, more in (("one", []), ("two", []), ("three", ["--salt", "other"])):
        run(*asked, *more, "--json", folder / f"{name}.json")
        content = json.loads((folder / f"{name}.json").read_text())
        made.append(content["rows"])
        assert content["about"]["excluded"]["days_behind_the_test"] == 2
    assert made[0] == made[1] != made[2]


# --- a fitted environment


def impressions(n_rows=24_000, seed=0):
    """Ten days of a log whose clicks follow one feature and the position; conversions 1.5 days later."""
    generator = np.random.default_rng(seed)
    age, position = generator.integers(0, 5, n_rows), generator.integers(0, 3, n_rows)
    click = generator.random(n_rows) < 0.1 * (1 + age) * np.array([1, 0.6, 0.4])[position]
    conversion = click & (generator.random(n_rows) < 0.4)
    return pd.DataFrame(
        {
            "user_id": generator.integers(0, 3000, n_rows),
            "item_id": generator.integers(0, 60, n_rows),
            "timestamp": 1_700_006_400 + np.sort(generator.integers(0, 10 * 86_400, n_rows)),
            "position": position,
            "click": click.astype(int),
            "conversion": conversion.astype(int),
            "conversion_delay_days": np.where(conversion, 0.2, np.nan),
            "age": age,
        }
    )


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    place = tmp_path_factory.mktemp("fitted")
    impressions().to_parquet(place / "log.parquet")
    asked = ["fit-environment", place / "log.parquet", "--out", place / "env", "--features", "age"]
    done = CliRunner().invoke(app, list(map(str, asked)), env=WIDE)
    assert done.exit_code == 0, done.output
    assert "observed over expected on held-out days" in flat(done.output).lower()
    return place


def test_an_environment_fitted_on_a_log_judges_candidates_with_its_features(folder, fitted):
    world = pd.read_parquet(folder / "same.parquet").drop(columns=["p_click", "p_conversion"])
    world["age"] = world["user_id"] % 5
    world["pctr_a"] = world["pctr_b"] = 0.1 * (1 + world["age"])
    world["pcvr_a"] = world["pcvr_b"] = 0.4
    world.to_parquet(fitted / "candidates.parquet")
    found = run(
        *(fitted / "candidates.parquet", "--environment", fitted / "env", "--days", 4, "--replicas", 2),
        *("--treatment-share", 0.5, "--json", fitted / "ab.json", "--no-aa"),
    )
    assert found.exit_code == 0, found.output
    result = read_result(fitted / "ab.json")
    assert result.verdict.status == "no detectable difference"
    assert result.about["config"]["conversion_delay_days"] == pytest.approx(0.2)  # the log's, not the default
    assert any("disagreement of 3 fits" in notice for notice in result.about["notices"])
    assert next(guard for guard in result.guards if guard.name == "environment calibration").has_passed


def test_a_log_that_an_arm_was_trained_on_cannot_become_its_judge(fitted):
    asked = ["fit-environment", fitted / "log.parquet", "--out", fitted / "no", "--features", "age"]
    for more, message in (
        (["--training", fitted / "log.parquet"], "expected no row that the environment was fitted on"),
        (["--family", "trees"], "expected arms of another model family"),
        (["--family", "nets", "--features", "click"], "expected what is known before anything is shown"),
    ):
        done = CliRunner().invoke(app, list(map(str, [*asked, *more])), env=WIDE)
        assert done.exit_code == 2, done.output
        assert message in flat(done.output)
    assert not (fitted / "no").exists()


# --- logs


def test_a_log_with_propensities_is_mode_r(tmp_path):
    log_frame(lift=0.2).to_parquet(tmp_path / "log.parquet")
    found = run("--log", tmp_path / "log.parquet", "--json", tmp_path / "log.json", "--html", tmp_path / "x")
    assert found.exit_code == 0, found.output
    result = read_result(tmp_path / "log.json")
    assert (result.mode, result.verdict.status) == ("R", "better")
    contrast = next(
        row
        for row in result.estimates
        if (row["estimator"], row["policy"]) == ("SNIPS", "treatment - control")
    )
    truth = 0.2 * (0.8 - 1 / 3)  # the first action adds .2, treatment takes it in .8 of cases, control in 1/3
    assert contrast["low"] <= truth <= contrast["high"]
    assert "Mode R: randomised log." in flat(found.output)


def test_a_log_of_other_types_or_a_csv_gives_the_same_digits(tmp_path):
    frame = log_frame(lift=0.05)
    frame.to_parquet(tmp_path / "plain.parquet")
    typed = frame.assign(
        click=frame["click"].astype(bool),
        user_id=frame["user_id"].astype("Int64"),
        propensity=[Decimal(str(each)) for each in frame["propensity"]],
    )
    typed.to_parquet(tmp_path / "typed.parquet")
    frame.to_csv(tmp_path / "plain.csv.gz", index=False)
    found = []
    for name in ("plain.parquet", "typed.parquet", "plain.csv.gz"):
        done = run("--log", tmp_path / name, "--json", tmp_path / "out.json")
        assert done.exit_code == 0, done.output
        rows = read_result(tmp_path / "out.json").estimates
        found.append([row[number] for row in rows for number in ("value", "std_error", "n_users")])
    assert found[1] == pytest.approx(found[0], rel=1e-12)
    assert found[2] == pytest.approx(found[0], rel=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(propensity="high"), "column propensity expected: a chance in (0, 1]"),
        (lambda t: t.assign(user_id=t["user_id"] / 2), "expected: only integers or only strings"),
        (lambda t: t.assign(user_id=""), "expected: an id in each row"),
        (lambda t: t.assign(click=t["click"].where(t.index > 0)), "got: 1 row, first empty rows: 0"),
        (lambda t: t.assign(click=[[1]] * len(t)), "column click expected: a finite number in each row"),
        (lambda t: t.assign(click=pd.Timestamp(0)), "got: dtype datetime64"),
        (lambda t: t.drop(columns=["p_a", "p_b"]), "2 problems in the tables"),
        (lambda t: t[:0], "expected: at least one row"),
    ],
)
def test_a_log_that_cannot_be_judged_ends_with_2_and_names_its_column(tmp_path, change, message):
    change(log_frame()).to_parquet(tmp_path / "log.parquet")
    found = run("--log", tmp_path / "log.parquet")
    assert found.exit_code == 2, found.output
    assert message in flat(found.output)
    assert "unexpected" not in found.output


def test_a_log_where_the_treatment_loses_exits_1_when_asked(tmp_path):
    log_frame(lift=-0.1).to_parquet(tmp_path / "log.parquet")
    assert run("--log", tmp_path / "log.parquet", "--fail-if-worse").exit_code == 1


def test_a_log_with_few_effective_rows_is_invalid(tmp_path):
    log_frame(n_rows=900).to_parquet(tmp_path / "log.parquet")
    found = run("--log", tmp_path / "log.parquet")
    assert found.exit_code == 3
    assert "effective rows, treatment" in flat(found.output)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda log: log.drop(columns="propensity"), "The log holds no propensities."),
        (lambda log: log.assign(propensity=1.0), "Every propensity is 1"),
        (
            lambda log: log.assign(propensity=log["propensity"].where(log.index > 9)),
            "10 of 6,000 rows have no",
        ),
    ],
)
def test_a_log_without_propensities_is_described_and_never_tested(tmp_path, change, why):
    change(log_frame()).to_parquet(tmp_path / "log.parquet")
    found = run("--log", tmp_path / "log.parquet", "--json", tmp_path / "log.json")
    assert found.exit_code == 0, found.output
    assert why in flat(found.output)
    content = json.loads((tmp_path / "log.json").read_text())
    assert (content["mode"], content["estimates"], content["rows"]) == ("D", [], [])
    assert content["verdict"]["status"] == "descriptive only"
    assert run("--log", tmp_path / "log.parquet", "--fail-if-worse").exit_code == 3


# --- bad input


def test_bad_input_is_exit_code_2_with_a_sentence_and_no_traceback(folder, tmp_path):
    frame = pd.read_parquet(folder / "same.parquet")
    frame.drop(columns="p_click").to_parquet(tmp_path / "blind.parquet")
    frame.assign(bid=-frame["bid"]).to_parquet(tmp_path / "negative.parquet")
    log_frame().assign(propensity=0.0).to_parquet(tmp_path / "zero.parquet")
    log_frame().drop(columns="p_b").to_parquet(tmp_path / "half.parquet")
    same = folder / "same.parquet"
    known = ("--environment", "known")
    (tmp_path / "text.parquet").write_text("no parquet")
    for arguments, message in (
        ((), "expected one of CANDIDATES, --marketplace, --log, --experiment, got none"),
        ((same, "--log", same), "got CANDIDATES, --log"),
        ((same, *known, "--retrain-daily"), "--retrain-daily: expected --marketplace with it"),
        ((tmp_path / "gone.parquet", *known), "found nothing at"),
        ((same,), "--environment: expected known or the folder of a fitted environment, got none"),
        ((same, "--environment", tmp_path / "nowhere"), "expected"),
        ((same, *known, "--days", 9), "expected candidates of at least 9 days"),
        ((same, *known, "--pre-days", 2, "--days", 3), "(2 before the test and 3 of it), got 4"),
        ((same, *known, "--days", 3, "--metrics", "GMV"), "--metrics: expected some of revenue, CTR"),
        ((same, *known, "--days", 3, "--treatment-share", 1.2), "--treatment-share: expected"),
        ((same, *known, "--days", 3, "--budget", "split"), "column budget"),
        ((same, *known, "--days", 3, "--auction", "first"), "auction: expected one of gsp"),
        ((tmp_path / "blind.parquet", *known, "--days", 3), "p_click"),
        ((tmp_path / "negative.parquet", *known, "--days", 3), "bid"),
        (("--log", tmp_path / "zero.parquet"), "propensity: expected chances in (0, 1]"),
        (("--log", tmp_path / "half.parquet"), "half.parquet, column p_b expected: a chance from 0 to 1"),
        (("--log", same, "--reward", "click"), "column click expected: a finite number in each row"),
        (("--log", tmp_path / "text.parquet"), "expected: a readable file"),
    ):
        found = run(*arguments)
        assert found.exit_code == 2, (arguments, found.output)
        assert message in flat(found.output), (arguments, found.output)
        assert "Traceback" not in found.output


def test_the_help_names_every_option_the_modes_and_the_exit_codes():
    shown = CliRunner().invoke(app, ["ab", "--help"], env={"COLUMNS": "160", "TERM": "dumb"}).output
    for text in (
        "--environment",
        "--marketplace",
        "--log",
        "--treatment-share",
        "--pre-days",
        "--fail-if-worse",
    ):
        assert text in shown
    for text in ("Exit codes", "a simulated lift is not evidence of online lift", "--environment known"):
        assert text in flat(shown).replace("simulated lift", "simulated lift")


def test_the_ten_rows_of_the_page_print_what_stands_below_them(capsys):
    page = (Path(__file__).parents[2] / "docs/ab.md").read_text(encoding="utf-8")
    code, printed = re.search(r"```python\n(.*?)```\n```text\n(.*?)```", page, re.DOTALL).groups()
    exec(compile(code, "docs/ab.md", "exec"), {})
    assert capsys.readouterr().out == printed


def test_every_option_that_the_page_names_is_known():
    page = (Path(__file__).parents[2] / "docs/ab.md").read_text(encoding="utf-8")
    shown = "".join(
        CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "160", "TERM": "dumb"}).output
        for name in ("ab", "fit-environment", "run")
    )
    assert {option for option in re.findall(r"--[a-z][a-z-]+", page) if option not in shown} == set()


def test_the_benchmark_is_the_same_command(folder, monkeypatch, capsys):
    script = str(Path(__file__).parents[2] / "benchmarks/ab_simulation.py")
    asked = [folder / "same.parquet", "--environment", "known", "--days", 1, "--no-aa", "--delay-days", 0]
    monkeypatch.setattr(sys, "argv", [script, *map(str, asked)])
    monkeypatch.setattr(sys, "path", [*sys.path])  # the script adds to it
    with pytest.raises(SystemExit) as end:
        runpy.run_path(script, run_name="__main__")
    assert end.value.code == run(*asked).exit_code
    assert "Verdict:" in capsys.readouterr().out
