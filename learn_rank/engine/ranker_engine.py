"""`RankerEngine`: a ranker with the plugin, trained by torchrec's pipeline on one process or many."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torchrec.distributed import DistributedModelParallel, TrainPipelineSparseDist
from torchrec.optim.keyed import CombinedOptimizer

from learn_rank.data.batch import Batch
from learn_rank.engine.global_loss import GlobalLoss
from learn_rank.engine.processes import Processes
from learn_rank.engine.sharding import EngineConfig, sharded
from learn_rank.rankers.base import Ranker
from learn_rank.rankers.scores import Scores

_DEFAULT = EngineConfig()


class RankerTask(nn.Module):
    """What the pipeline runs: a batch -> (loss of all processes, the same for reading).

    Args:
        ranker: the ranker, with or without a fusion.
        here: the processes.
    """

    def __init__(self, ranker: Ranker, here: Processes) -> None:
        super().__init__()
        self.ranker = ranker
        self.global_loss = GlobalLoss(ranker, here.group)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor] | Scores:
        """In training (loss, loss without gradient), in evaluation the scores of this process's rows."""
        scores = self.ranker(batch.sparse, batch.dense)
        if not self.training:
            return scores
        loss = self.global_loss(scores, batch)
        return loss, loss.detach()


class RankerEngine:
    """The ranker under `DistributedModelParallel`, with its optimizers and its pipeline.

    The id tables are sharded as the planner says and trained by a fused optimizer, the dense layers are data
    parallel, the frozen vectors stay as they were placed. Initial weights are those of ``ranker``.

    Args:
        ranker: ours or a team's own, equal in all processes (build it under one seed).
        here: of `processes`; when its block ends the engine lets go of everything.
        config: optimizers and sharding.

    Example:
        >>> import torch
        >>> from torchrec import KeyedJaggedTensor
        >>> from learn_rank import MultiTaskRanker
        >>> from learn_rank.engine.processes import processes
        >>> rows = Batch(
        ...     KeyedJaggedTensor(["item_id"], torch.tensor([1, 2]), lengths=torch.tensor([1, 1])),
        ...     torch.zeros(2, 1), torch.tensor([1.0, 0.0]), torch.tensor([1.0, torch.nan]))
        >>> with processes(device="cpu") as here:
        ...     engine = RankerEngine(MultiTaskRanker({"item_id": 3}, 1), here)
        ...     losses = list(engine.train([rows] * 20))
        >>> losses[-1] < losses[0]
        True
    """

    def __init__(self, ranker: Ranker, here: Processes, config: EngineConfig = _DEFAULT) -> None:
        self._held: tuple[DistributedModelParallel, CombinedOptimizer] | None = sharded(
            RankerTask(ranker, here), here, config
        )
        self._pipeline: TrainPipelineSparseDist | None = None
        self._device = here.device
        here.on_exit(self.close)

    @property
    def model(self) -> DistributedModelParallel:
        """The sharded model; do not keep it beyond the block of `processes`."""
        return self._open[0]

    @property
    def optimizer(self) -> CombinedOptimizer:
        """Of the tables ("tables") and of the dense layers ("dense")."""
        return self._open[1]

    @property
    def _open(self) -> tuple[DistributedModelParallel, CombinedOptimizer]:
        if self._held is None:
            raise RuntimeError(
                "engine: expected an open `with processes():` block, got one that has ended. Remedy: train, "
                "predict and save inside it."
            )
        return self._held

    def train(self, batches: Iterable[Batch]) -> Iterator[float]:
        """Train on this process's part of each global batch.

        Args:
            batches: as many in every process, with as many rows in every process.

        Yields:
            The loss of each global batch, equal in all processes, when its step is done. Up to two more
            batches have been taken from ``batches`` by then.

        Raises:
            FloatingPointError: a loss is not finite.
        """
        self.model.train()
        # kept by the engine alone, so that a loop that was left half-way keeps nothing alive
        self._pipeline = TrainPipelineSparseDist(self.model, self.optimizer, self._device)
        source = iter(batches)
        try:
            while self._pipeline is not None:
                loss = float(self._pipeline.progress(source))
                if not math.isfinite(loss):
                    raise FloatingPointError(
                        f"loss: expected a finite number, got {loss}. Remedy: look for huge dense features, "
                        'lower the learning rates, or use kind="ctr" where conversions are not recorded.'
                    )
                yield loss
        except StopIteration:
            return
        finally:
            if self._pipeline is not None:
                self._pipeline.detach()  # the model's own forward is back in place
                self._pipeline = None

    @torch.no_grad()
    def predict(self, batches: Iterable[Batch]) -> Iterator[Scores]:
        """Score this process's batches, as many in every process; a batch may have any number of rows."""
        model = self.model.eval()
        for batch in batches:
            yield model(batch.to(self._device))

    def close(self) -> None:
        """Let go of model, optimizers and pipeline; called when the block of `processes` ends."""
        self._held = self._pipeline = None
