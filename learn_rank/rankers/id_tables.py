"""The id and category tables of a ranker: a config for each feature, and the parameters that they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torchrec import (
    EmbeddingBagCollection,
    EmbeddingBagConfig,
    EmbeddingCollection,
    EmbeddingConfig,
    PoolingType,
)

from learn_rank.data.batch import HISTORY_ITEM
from learn_recall.columns import ITEM_ID

_HOLDERS = (EmbeddingBagCollection, EmbeddingCollection, nn.EmbeddingBag, nn.Embedding)


def embedding_tables(
    n_codes: Mapping[str, int], embedding_dim: int, *, has_item_history: bool = False
) -> list[EmbeddingBagConfig]:
    """A table for each categorical feature, mean pooled, small normal weights.

    Args:
        n_codes: feature -> number of codes, as in `learn_rank.data.encoded_rows.EncodedDataset`.
        embedding_dim: width of every table.
        has_item_history: the mean of the history's items is a feature as well, ``history_item_id``, from the
            table of ``item_id`` (`encode_dataset(has_item_history=True)`).

    Raises:
        ValueError: a history without ``item_id``, whose table it shares.

    Example:
        >>> [table.name for table in embedding_tables({"item_id": 3}, 4)]
        ['table_item_id']
    """
    if has_item_history and ITEM_ID not in n_codes:
        raise ValueError(
            f"n_codes: expected {ITEM_ID!r}, whose table the history shares, got {list(n_codes)}. Remedy: "
            "has_item_history=False, or a feature of that name."
        )
    return [
        EmbeddingBagConfig(
            name=f"table_{name}",
            embedding_dim=embedding_dim,
            num_embeddings=size,
            feature_names=[name, HISTORY_ITEM] if has_item_history and name == ITEM_ID else [name],
            pooling=PoolingType.MEAN,
            init_fn=_small_normal,
        )
        for name, size in n_codes.items()
    ]


def shared_table(name: str, n_codes: int, embedding_dim: int, features: Sequence[str]) -> EmbeddingConfig:
    """One table for several features of which every id is wanted for itself, such as target and history.

    Args:
        name: feature that the table is called after, as in `embedding_tables`.
        n_codes: of it.
        embedding_dim: width.
        features: names of the features that are looked up in it.
    """
    return EmbeddingConfig(
        name=f"table_{name}",
        embedding_dim=embedding_dim,
        num_embeddings=n_codes,
        feature_names=list(features),
        init_fn=_small_normal,
    )


def table_parameters(model: nn.Module) -> list[nn.Parameter]:
    """The weights of the embedding tables in any model, each once; they want larger steps than the layers."""
    found = {
        id(parameter): parameter
        for module in model.modules()
        if isinstance(module, _HOLDERS)
        for parameter in module.parameters()
    }
    return list(found.values())


def _small_normal(weight: Tensor) -> Tensor:
    return nn.init.normal_(weight, std=0.05)
