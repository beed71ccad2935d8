"""A made-up A/B result with every kind of row: clear, hinted, level, flagged, undefined; and hostile text."""

from learn_rank.ab.report.result import ABResult
from learn_rank.ab.report.verdict import verdict_of
from learn_rank.ab.statistics.guards import Guard

EVIL = "<script>alert(1)</script> $x$ & \"quotes\" 'too'"
PLACES = (
    ("all", "all"),
    *(("user", bucket) for bucket in ("cold-start", "long-tail", "other")),
    *(("item", bucket) for bucket in ("cold-start", "long-tail", "other")),
)
METRICS = {"revenue": 1.8342, "CTR": 0.0871, "CVR": 0.0493, "conversions": 0.0412}


def ab_row(metric="revenue", kind="all", bucket="all", relative=0.042, error=0.012, **changes):
    """One row whose numbers fit each other."""
    control = METRICS[metric]
    p = 0.0005 if abs(relative) > 2.8 * error else 0.03 if abs(relative) > 1.96 * error else 0.4
    made = {
        "metric": metric,
        "bucket_kind": kind,
        "bucket": bucket,
        "role": "bucket" if kind != "all" else "primary" if metric == "revenue" else "secondary",
        "control": control,
        "treatment": control * (1 + relative),
        "delta": control * relative,
        "low": control * (relative - 1.96 * error),
        "high": control * (relative + 1.96 * error),
        "relative": relative,
        "relative_low": relative - 1.96 * error,
        "relative_high": relative + 1.96 * error,
        "p": p,
        "p_family": min(1.0, p * (20 if p > 0.01 else 4)),
        "p_adjusted": min(1.0, p * (20 if p > 0.01 else 4)),
        "n_users_control": 8012,
        "n_users_treatment": 1988,
        "clicks_control": 41230,
        "clicks_treatment": 10804,
        "conversions_control": 2034,
        "conversions_treatment": 561,
        "power": 0.83,
        "mde": 2.8 * error,
        "launch": relative - 0.004,
        "flag": None,
    }
    return made | changes


def guardrail(metric="CTR", relative=-0.01, *, less=False, state="held", **changes):
    """One guardrail whose margin is 5 %."""
    made = {"metric": metric, "margin": 0.05, "is_less_better": less, "control": 0.5, "flag": None}
    made |= {"treatment": 0.5 * (1 + relative), "relative": relative, "state": state, "power": 0.7}
    made |= {"relative_low": relative - 0.02, "relative_high": relative + 0.02, "p": 0.001}
    return made | changes


def guards(**changes):
    """Guards that pass; name=has_passed changes one."""
    made = [
        Guard("SRM", 0.41, "p above .001", True, "8,012 and 1,988 users, as 80 % and 20 % would give."),
        Guard("A/A", 0.049, "rate inside [.034, .067]", True, "Re-splits reject as often as they should."),
        Guard("calibration", 0.97, "inside [.8, 1.25]", True, "Both arms' scores keep their promises."),
        Guard("immature share", 0.06, "below .2", True, "Few conversions fall after the last day."),
        Guard("ESS", None, "1,000 rows and 1 %", None, "Only a randomised log has an effective sample size."),
    ]
    return [
        Guard(guard.name, guard.value, guard.limit, changes.get(guard.name, guard.has_passed), guard.words)
        for guard in made
    ]


def example_rows():
    """Every metric in every bucket."""
    rows = []
    for position, (kind, bucket) in enumerate(PLACES):
        for at, metric in enumerate(METRICS):
            relative = (0.042, -0.011, 0.055, 0.048)[at] + 0.02 * (position % 3 - 1) * (position > 0)
            rows.append(ab_row(metric, kind, bucket, relative, 0.012 * (1 + position % 4)))
    rows[8] |= {"flag": "skewed: 641 users, revenue needs 4,100"}
    undefined = ("control", "treatment", "delta", "low", "high", "relative", "relative_low", "relative_high")
    rows[18] |= dict.fromkeys((*undefined, "p", "p_family", "p_adjusted", "power", "mde", "launch"))
    return rows


def example_daily():
    """Nine days of two metrics, the interval of the sum narrowing."""
    rows = []
    for metric in ("revenue", "CTR", "CVR"):
        for day in range(1, 10):
            middle, width = 0.04 + 0.05 * ((day * 7) % 5 - 2) / 2, 0.09 / day**0.5
            rows.append(
                {
                    "day": day,
                    "metric": metric,
                    "relative": middle,
                    "relative_low": middle - 0.09,
                    "relative_high": middle + 0.09,
                    "cumulative": 0.042 + 0.03 / day,
                    "cumulative_low": 0.042 + 0.03 / day - width,
                    "cumulative_high": 0.042 + 0.03 / day + width,
                }
            )
    return rows


def example_calibration():
    """Both arms in every bucket; one cell far off."""
    return [
        {
            "arm": arm,
            "bucket_kind": kind,
            "bucket": bucket,
            "observed_clicks": 10400.0,
            "predicted_clicks": 10010.5,
            "clicks_ratio": 1.04,
            "observed_conversions": 512.0,
            "predicted_conversions": 700.0 if (arm, bucket) == ("b", "cold-start") else 520.0,
            "conversions_ratio": 0.73 if (arm, bucket) == ("b", "cold-start") else 0.98,
            "cost_per_conversion": 21.4,
            "target_cpa": 20.9,
            "cost_ratio": 1.02,
        }
        for kind, bucket in PLACES
        for arm in "ab"
    ]


def example_about(**changes):
    """What run.py writes beside the rows."""
    spend = {
        "n_users": 8012,
        "n_requests": 91204,
        "impressions": 91000.0,
        "clicks": 41230.0,
        "conversions": 2034.0,
        "revenue": 14695.6,
        "price_per_thousand": 161.49,
        "price_per_click": 0.3564,
        "price_per_conversion": 7.225,
    }
    return {
        "title": "baseline against learn",
        "level": 0.95,
        "declared_lift": 0.02,
        "command": "learn-rank ab candidates.parquet --environment known",
        "commit": "abc1234",
        "machine": "2 cores",
        "started": "2026-11-24 00:00 UTC",
        "seconds": 61.2,
        "versions": {"python": "3.11.9", "numpy": "2.2.0"},
        "config": {"n_days": 9, "treatment_share": 0.2, "auction": "gsp", "slot_effect": [1.0, 0.6, 0.4]},
        "source": {"candidates": "candidates.parquet"},
        "environment": {"environment": "known truth of the candidates"},
        "counts": {"n_users": 10000, "n_requests": 114005},
        "excluded": {"requests_with_one_candidate": 12},
        "spend": [{"arm": "a", **spend}, {"arm": "b", **spend, "n_users": 1988}],
        "notices": ["The environment was fitted on 20 days."],
        **changes,
    }


def example_result(**changes):
    """The whole result; name=value replaces a part."""
    rows, checked = changes.pop("rows", example_rows()), changes.pop("guards", guards())
    made = {
        "mode": "E",
        "verdict": verdict_of(rows, checked, rule="Revenue decides."),
        "rows": rows,
        "guards": checked,
        "daily": example_daily(),
        "calibration": example_calibration(),
        "about": example_about(),
        "guardrails": [guardrail("CTR"), guardrail("cost over target", 0.08, less=True, state="open")],
    }
    return ABResult(**made | changes)
