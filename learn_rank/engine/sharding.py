"""A ranker on torchrec's engine: planned, sharded, with fused optimizers, its weights kept.

`DistributedModelParallel` makes every table anew and forgets the weights that it was given. Here the weights
survive; tables too large to be made in every process go onto the meta device and are filled by their
``init_fn``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributed._shard.sharded_tensor import ShardedTensor
from torch.distributed.optim import _apply_optimizer_in_backward as apply_optimizer_in_backward
from torchrec import EmbeddingBagCollection, EmbeddingCollection
from torchrec.distributed import DistributedModelParallel
from torchrec.distributed.model_parallel import get_default_sharders
from torchrec.distributed.planner import EmbeddingShardingPlanner, ParameterConstraints
from torchrec.distributed.planner.storage_reservations import FixedPercentageStorageReservation
from torchrec.distributed.planner.types import KernelConfig, TopologyFactory, TrainerConfig
from torchrec.distributed.types import ShardingEnv
from torchrec.optim import RowWiseAdagrad
from torchrec.optim.keyed import CombinedOptimizer, KeyedOptimizerWrapper
from torchrec.optim.optimizers import Adagrad, Adam, in_backward_optimizer_filter

from learn_rank.engine.processes import Processes
from learn_rank.rankers.zero_start import zero_start_parameters

TABLE_OPTIMIZERS = {"rowwise_adagrad": RowWiseAdagrad, "adagrad": Adagrad, "adam": Adam}
_CPU_OPTIMIZERS = ("rowwise_adagrad", "adagrad")  # those that fbgemm fuses there
#: without "data_parallel", whose tables have no fused optimizer, and without the column-wise ones, where
#: rowwise_adagrad keeps its state per shard: both would train in another way on another number of processes
SHARDINGS = ("table_wise", "row_wise", "table_row_wise")
_RESERVED = 0.15  # share of the memory that the planner leaves to everything but tables


@dataclass(frozen=True)
class EngineConfig:
    """How the parts of a ranker are trained.

    Attributes:
        table_optimizer: of the id tables, fused into their backward pass: "rowwise_adagrad" (one number of
            state a row), "adagrad", or "adam", which fbgemm has on GPUs alone.
        table_learning_rate: of the id tables.
        learning_rate: of the dense layers (AdamW).
        weight_decay: of the dense layers.
        zero_start_learning_rate: of the weights that start at zero (`learn_rank.rankers.zero_start`).
        sharding: table name -> the sharding types that the planner may choose from, such as
            ``("column_wise",)``; None, and tables that are not named: all of `SHARDINGS` that the device has.
            On one process it is ignored.
    """

    table_optimizer: str = "rowwise_adagrad"
    table_learning_rate: float = 0.02
    learning_rate: float = 2e-3
    weight_decay: float = 1e-5
    zero_start_learning_rate: float = 6e-3
    sharding: Mapping[str, tuple[str, ...]] | None = None

    def __post_init__(self) -> None:
        if self.table_optimizer not in TABLE_OPTIMIZERS:
            raise ValueError(
                f"table_optimizer: expected one of {list(TABLE_OPTIMIZERS)}, got {self.table_optimizer!r}."
            )
        rates = (self.table_learning_rate, self.learning_rate, self.zero_start_learning_rate)
        if min(rates) <= 0 or self.weight_decay < 0:
            raise ValueError(
                "table_learning_rate, learning_rate and zero_start_learning_rate: expected above 0, and "
                f"weight_decay at least 0, got {', '.join(map(str, rates))} and {self.weight_decay}."
            )


def sharded(
    model: nn.Module, here: Processes, config: EngineConfig
) -> tuple[DistributedModelParallel, CombinedOptimizer]:
    """Shard the embedding collections of a model over the processes, and give its optimizer.

    Args:
        model: any module with torchrec embedding collections, equal in all processes.
        here: of `processes`.
        config: optimizers and sharding types.

    Returns:
        The model on the engine, and one optimizer for all of it: its fused part steps inside backward.

    Raises:
        ValueError: an optimizer that the device does not have.
    """
    if here.device.type == "cpu" and config.table_optimizer not in _CPU_OPTIMIZERS:
        raise ValueError(
            f"table_optimizer: expected one of {_CPU_OPTIMIZERS} on a CPU, got {config.table_optimizer!r}. "
            'Remedy: "adagrad", or train on a GPU.'
        )
    tables = _table_parameters(model)
    weights = {name: table.detach().clone() for name, table in tables.items() if not table.is_meta}
    apply_optimizer_in_backward(
        TABLE_OPTIMIZERS[config.table_optimizer], tables.values(), {"lr": config.table_learning_rate}
    )
    chosen = config.sharding if config.sharding is not None and here.n_ranks > 1 else {}
    planner = EmbeddingShardingPlanner(
        topology=TopologyFactory.create_topology(
            TrainerConfig(world_size=here.n_ranks),
            kernel_config=KernelConfig(compute_device=here.device.type),
        ),
        constraints={
            name: ParameterConstraints(sharding_types=list(chosen.get(name, SHARDINGS)))
            for name in (parameter.rsplit(".", 2)[-2] for parameter in tables)
        },
        storage_reservation=FixedPercentageStorageReservation(_RESERVED),
        debug=False,
    )
    plan = planner.collective_plan(model, get_default_sharders(), here.group)
    engine = DistributedModelParallel(
        model, env=ShardingEnv.from_process_group(here.group), device=here.device, plan=plan
    )
    _put_weights(engine, weights)
    from_zero = {id(parameter) for _, parameter in zero_start_parameters(engine)}
    dense = KeyedOptimizerWrapper(
        dict(in_backward_optimizer_filter(engine.named_parameters())),
        lambda parameters: torch.optim.AdamW(
            _groups(parameters, from_zero, config), lr=config.learning_rate, weight_decay=config.weight_decay
        ),
    )
    return engine, CombinedOptimizer([("tables", engine.fused_optimizer), ("dense", dense)])


def _groups(
    parameters: list[nn.Parameter], from_zero: set[int], config: EngineConfig
) -> list[dict[str, object]]:
    """Dense weights, and those that start at zero with a rate of their own."""
    others = [parameter for parameter in parameters if id(parameter) not in from_zero]
    zeros = [parameter for parameter in parameters if id(parameter) in from_zero]
    apart = [{"params": zeros, "lr": config.zero_start_learning_rate}] if zeros else []
    return [{"params": others}, *apart]


def _table_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    return {
        f"{prefix}.{name}" if prefix else name: parameter
        for prefix, module in model.named_modules()
        if isinstance(module, EmbeddingBagCollection | EmbeddingCollection)
        for name, parameter in module.named_parameters()
    }


@torch.no_grad()
def _put_weights(engine: DistributedModelParallel, weights: Mapping[str, Tensor]) -> None:
    state = engine.state_dict()
    for name, whole in weights.items():
        stored = state[name]
        if not isinstance(stored, ShardedTensor):  # a table that every process holds
            stored.copy_(whole)
            continue
        for shard in stored.local_shards():
            where = zip(shard.metadata.shard_offsets, shard.metadata.shard_sizes, strict=True)
            shard.tensor.copy_(whole[tuple(slice(first, first + size) for first, size in where)])
