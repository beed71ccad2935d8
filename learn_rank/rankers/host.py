"""`HostRanker`: a model called as torchrec's are, with the plugin's features beside its dense ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchrec import KeyedJaggedTensor

from learn_rank.fusion.learn_feature_fusion import LearnFeatureFusion
from learn_rank.rankers.base import Ranker
from learn_rank.rankers.scores import Scores
from learn_rank.rankers.zero_start import widen_first_layers

torch.fx.wrap("task_logits")  # it looks at shapes, which torch.fx cannot trace


class HostRanker(Ranker):
    """torchrec's DLRM, DLRM_DCN or DeepFM, or a team's model of that form, as it is.

    Args:
        host: called as ``host(dense, sparse)``, gives logits (B,) or (B, n_outputs): of the click first,
            then, where there is a second one, of the conversion given a click.
        fusion: the plugin; None is the baseline. Its features go behind the host's dense ones.
        n_dense: of the host. Its ``dense_arch`` is then widened by the plugin's features, which start without
            effect: the first scores are the host's to the bit, and its checkpoint fits
            (`learn_rank.rankers.zero_start`). None: the host was built for ``n_dense + fusion.output_dim``
            features.
        kind: of the ranking loss; "esmm" and "shared_bottom" need two outputs, "ctr" needs one.

    Raises:
        ValueError: an unknown kind; a fusion that wants the host's embeddings, which only a forward of your
            own can give; n_dense for a host that cannot be widened.

    Example:
        >>> from torchrec import EmbeddingBagCollection
        >>> from torchrec.models.dlrm import DLRM
        >>> from learn_rank.rankers.id_tables import embedding_tables
        >>> dlrm = DLRM(EmbeddingBagCollection(embedding_tables({"item_id": 3}, 4)), dense_in_features=2,
        ...             dense_arch_layer_sizes=[4], over_arch_layer_sizes=[8, 2])
        >>> rows = KeyedJaggedTensor(["item_id"], torch.tensor([1, 2]), lengths=torch.tensor([1, 1]))
        >>> HostRanker(dlrm)(rows, torch.zeros(2, 2)).ctr_logit.shape
        torch.Size([2])
    """

    def __init__(
        self,
        host: nn.Module,
        fusion: LearnFeatureFusion | None = None,
        *,
        n_dense: int | None = None,
        kind: str = "esmm",
    ) -> None:
        if fusion is not None and fusion.needs_host:
            raise ValueError(
                f"fusion: expected one that does without the host's embeddings, got {type(fusion).__name__}. "
                "Remedy: subclass Ranker and call fusion(sparse, embeddings) in its forward."
            )
        super().__init__(kind, fusion)
        self.host = host
        if fusion is not None and n_dense is not None:
            entry = getattr(host, "dense_arch", None)
            if not isinstance(entry, nn.Module):
                raise ValueError(
                    "n_dense: expected a host with a dense_arch, as torchrec's have, got "
                    f"{type(host).__name__}. Remedy: build the host for n_dense + fusion.output_dim features "
                    "and leave n_dense out, or put learn_rank.rankers.zero_start.WidenedLinear where "
                    "they enter."
                )
            widen_first_layers(entry, n_dense, fusion.output_dim)

    def forward(self, sparse: KeyedJaggedTensor, dense: Tensor) -> Scores:
        """See `Ranker.forward`."""
        fused = None
        if self.fusion is not None:
            fused = self.fusion(sparse)
            dense = torch.cat([dense, fused.features], dim=1)
        logits_BK = task_logits(self.host(dense, sparse), 1 if self.kind == "ctr" else 2)
        return Scores(logits_BK[:, 0], None if self.kind == "ctr" else logits_BK[:, 1], fused)


def task_logits(logits: Tensor, n_tasks: int) -> Tensor:
    """What a host gave -> (B, n_tasks).

    Raises:
        ValueError: another shape.
    """
    if logits.ndim == 1:
        logits = logits[:, None]
    if logits.ndim != 2 or logits.shape[1] < n_tasks:
        raise ValueError(
            f"host: expected logits of shape (B, {n_tasks}), one a task, got {tuple(logits.shape)}. Remedy: "
            f'make its last layer {n_tasks} wide, or use kind="ctr" for clicks alone.'
        )
    return logits[:, :n_tasks]
