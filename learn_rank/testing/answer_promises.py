"""What a fusion's answers promise: module and probe -> a sentence for each broken promise."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch

from learn_rank.fusion.learn_feature_fusion import FusionOutput, LearnFeatureFusion
from learn_rank.testing.probe import Probe, differ

_GARBAGE = 3.0  # no component of a unit vector
_NUMBERS = ("features", "fusion", "auxiliary_logit")


def outputs(module: LearnFeatureFusion, probe: Probe) -> Iterator[str]:
    """Shapes, dtypes, `output_dim`, presence."""
    output = probe.call(module)
    if not isinstance(output, FusionOutput):
        yield f"forward: expected a FusionOutput, got {type(output).__name__}."
        return
    yield from _shape_problems(module, output, len(probe.user))
    wanted = {
        "has_user": [True, True, True, True, False, True, False, False],
        "has_item": [True, True, True, True, True, False, False, False],
    }
    for name, flags in wanted.items():
        found = getattr(output, name)
        if found.dtype != torch.bool:
            yield f"{name}: expected bool, got {found.dtype}."
        elif found.tolist() != flags:
            yield f"{name}: expected True exactly where there is a vector, {flags}, got {found.tolist()}."


def missing_vectors(module: LearnFeatureFusion, probe: Probe) -> Iterator[str]:
    """Nothing depends on what is stored where no vector is."""
    before = probe.call(module)
    for side in ("user", "item"):
        changed = copy.deepcopy(module)
        table = getattr(changed, f"{side}_vectors")
        table.vectors[~table.has_vector] = _GARBAGE
        if table.scales is not None:
            table.scales[~table.has_vector] = 1.0
        after = probe.call(changed)
        differing = [name for name in _NUMBERS if differ(before, after, name)]
        if differing:
            yield (
                f"missing {side} vectors: {', '.join(differing)} of rows without one depend on what is "
                f"stored in its place; use torch.where(has_{side}[:, None], vector, self.{side}_fallback)."
            )


def rows_for_themselves(module: LearnFeatureFusion, probe: Probe) -> Iterator[str]:
    """In evaluation no row depends on another, on its place, or on chance."""
    whole, again = probe.call(module), probe.call(module)
    names = [name for name in whole.columns if differ(whole, again, name)]
    if names:
        yield f"{', '.join(names)}: expected equal outputs of two calls in evaluation; is it random?"
        return
    order = [5, 2, 7, 0, 3, 1, 6, 4]
    turned = probe.rows(order).call(module)
    alone = [probe.rows([at]).call(module) for at in range(len(order))]
    for name in _NUMBERS:
        of_whole = getattr(whole, name)
        by_order = torch.allclose(of_whole[order], getattr(turned, name), rtol=1e-4, atol=1e-5)
        by_row = torch.allclose(
            of_whole, torch.cat([getattr(one, name) for one in alone]), rtol=1e-4, atol=1e-5
        )
        if not (by_order and by_row):
            yield (
                f"{name}: expected each row to be computed for itself in evaluation, but a row changes "
                "with the rows beside it or with their order; no statistics over the batch."
            )


def small_batches(module: LearnFeatureFusion, probe: Probe) -> Iterator[str]:
    """No row, one row, and rows without any vector."""
    for words, index in (
        ("an empty batch", []),
        ("a batch of one row", [0]),
        ("rows without vectors", [6, 7]),
    ):
        try:
            problems = list(_shape_problems(module, probe.rows(index).call(module), len(index)))
        except Exception as error:
            problems = [f"{words}: raised {type(error).__name__}: {str(error).splitlines()[0]}"]
        yield from problems


def traced(module: LearnFeatureFusion, probe: Probe) -> Iterator[str]:
    """torch.fx records it."""
    traced = torch.fx.symbolic_trace(module)
    plain = probe.call(module)
    features = probe.features(module.config)
    found = traced(features) if probe.host is None else traced(features, probe.host)
    if any(
        not torch.equal(one, other)
        for one, other in zip(plain.columns.values(), found.columns.values(), strict=True)
    ):
        yield "torch.fx: the traced module computes something else; no Python branch on values in forward."


def _shape_problems(module: LearnFeatureFusion, output: FusionOutput, n: int) -> Iterator[str]:
    n_logits = (2,) if module.config.auxiliary_task == "both" else ()
    shapes = {
        "features": (n, module.output_dim),
        "fusion": (n, module.config.fusion_dim),
        "auxiliary_logit": (n, *n_logits),
        "has_user": (n,),
        "has_item": (n,),
    }
    for name, shape in shapes.items():
        found = getattr(output, name)
        if tuple(found.shape) != shape:
            said = " = (B, output_dim)" if name == "features" else ""
            yield f"{name}: expected shape {shape}{said} for {n} rows, got {tuple(found.shape)}."
        if name.startswith("has_"):
            continue
        if found.dtype != torch.float32:
            yield f"{name}: expected float32, got {found.dtype}."
        if not bool(torch.isfinite(found).all()):
            yield f"{name}: expected finite numbers for {n} rows, got NaN or inf; a vector missing?"
