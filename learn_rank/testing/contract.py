"""`check_fusion`: whether a `LearnFeatureFusion` keeps what hosts, engines and exports rely on."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import torch

from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.fusion.learn_feature_fusion import LearnFeatureFusion
from learn_rank.testing.answer_promises import (
    missing_vectors,
    outputs,
    rows_for_themselves,
    small_batches,
    traced,
)
from learn_rank.testing.probe import Probe, probe_of
from learn_rank.testing.training_promises import auxiliary, frozen_tables, gradients, restored

#: what is being done -> the promise
PROMISES: dict[str, Callable[[LearnFeatureFusion, Probe], Iterator[str]]] = {
    "forward": outputs,
    "rows without vectors": missing_vectors,
    "rows in another order": rows_for_themselves,
    "small batches": small_batches,
    "a training step": frozen_tables,
    "gradients": gradients,
    "auxiliary_loss": auxiliary,
    "torch.fx, with which torchrec's pipelines trace (wrap what it cannot: torch.fx.wrap)": traced,
    "saving and loading": restored,
}


class FusionContractError(AssertionError):
    """A fusion breaks its contract.

    Attributes:
        problems: one sentence each.
    """

    def __init__(self, name: str, problems: list[str]) -> None:
        super().__init__(f"{name}: {len(problems)} broken promises\n" + "\n".join(f"- {p}" for p in problems))
        self.problems = tuple(problems)


def check_fusion(module: LearnFeatureFusion, *, host_dim: int | None = None) -> None:
    """Raise unless a fusion keeps every promise that hosts, engines and exports rely on; one line in a test.

    Definition: shapes and dtypes of all outputs and a truthful `output_dim`; a missing vector leaves no trace
    of what is stored in its place; rows do not see each other in evaluation; empty batches, single rows and
    rows without any vector; the tables stay frozen; every parameter is trained by the ranking or the
    auxiliary loss, and by the latter alone under `stops_gradient`; the auxiliary loss is a weighted scalar;
    torch.fx traces it; a state dict restores it. The module itself is not changed.

    Args:
        module: with small, replicated tables.
        host_dim: N, width of the host's embeddings, for a module with `needs_host`.

    Raises:
        FusionContractError: all broken promises at once, a sentence each.
        ValueError: ``host_dim`` is missing, or given to a module that takes no host.

    Example:
        >>> from learn_rank import FrozenEmbedding, LearnFeatureFusion
        >>> table = FrozenEmbedding(torch.arange(4), torch.eye(4))
        >>> check_fusion(LearnFeatureFusion(table, table))
    """
    if module.needs_host is not (host_dim is not None):
        raise ValueError(
            f"host_dim: expected {'the width of the host' if module.needs_host else 'None'} for "
            f"needs_host={module.needs_host}, got {host_dim}."
        )
    problems = fusion_problems(module, host_dim=host_dim)
    if problems:
        raise FusionContractError(type(module).__name__, problems)


def fusion_problems(module: LearnFeatureFusion, *, host_dim: int | None = None) -> list[str]:
    """As `check_fusion`, the sentences instead of the error."""
    tables = [
        f"{name}: expected the FrozenEmbedding that the constructor was given, got "
        f"{type(getattr(module, name, None)).__name__}; look vectors up through it, or they can move."
        for name in ("user_vectors", "item_vectors")
        if not isinstance(getattr(module, name, None), FrozenEmbedding)
    ]
    if tables:
        return tables
    probe = probe_of(module, host_dim)
    problems: list[str] = []
    for doing, promise in PROMISES.items():
        own = copy.deepcopy(module).eval()
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                problems += promise(own, probe)
        except Exception as error:
            problems.append(
                f"{doing}: raised {type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
            )
            if doing == "forward":  # nothing else can be said about a module that does not answer
                break
    return list(dict.fromkeys(problems))


__all__ = ["FusionContractError", "check_fusion", "fusion_problems"]
