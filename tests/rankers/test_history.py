"""What the host makes of its user's history: mean, target attention and search against slow oracles."""

import pytest
import torch
from small_rankers import N_DENSE, batch, config
from torchrec import EmbeddingBagCollection, KeyedJaggedTensor

from learn_rank.data.batch import HISTORY_ITEM, Batch
from learn_rank.rankers.history import HISTORIES, HistoryEncoder, nearest_of_rows
from learn_rank.rankers.id_tables import embedding_tables
from learn_rank.rankers.multi_task import MultiTaskRanker
from learn_rank.serving import export_ranker, load_exported

LENGTHS = torch.tensor([2, 0, 5, 1])
ALL = torch.ones(8, dtype=torch.bool)
N_CODES = {"user_id": 7, "item_id": 9, "tags": 4}


def histories(dim: int = 4, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(8, dim, generator=generator), torch.randn(4, dim, generator=generator)


def encoder(kind: str, dim: int = 4, **settings) -> HistoryEncoder:
    torch.manual_seed(1)
    return HistoryEncoder(kind, dim, hidden_dim=6, **settings)


def with_histories(n: int = 50) -> Batch:
    """`small_rankers.batch` with the codes of a history in every row, some of them empty."""
    plain = batch(n)
    generator = torch.Generator().manual_seed(5)
    lengths = torch.randint(0, 6, (n,), generator=generator)
    codes = torch.randint(0, 9, (int(lengths.sum()),), generator=generator)
    flags = torch.randint(0, 2, (len(codes),), generator=generator)
    keys = [*plain.sparse.keys(), "history_item_id", "learn_history_converted"]
    return Batch(
        KeyedJaggedTensor(
            keys=keys,
            values=torch.cat([plain.sparse.values(), codes, flags]),
            lengths=torch.cat([plain.sparse.lengths(), lengths, lengths]),
        ),
        plain.dense,
        plain.click,
        plain.conversion,
    )


def host(history: str, **settings) -> MultiTaskRanker:
    torch.manual_seed(0)
    return MultiTaskRanker(N_CODES, N_DENSE, config(history=history, dropout=0.0, **settings))


def test_the_mean_of_a_history_is_that_of_its_items_and_zero_without_any():
    items = torch.tensor([[1.0, 2.0], [3.0, 6.0], [5.0, 5.0]])
    found = HistoryEncoder("mean", 2)(items, torch.tensor([2, 0, 1]), torch.zeros(3, 2), ALL[:3])
    assert found.tolist() == [[2.0, 4.0], [0.0, 0.0], [5.0, 5.0]]


def test_target_attention_is_the_weighted_sum_that_a_loop_over_rows_and_items_gives():
    items, target = histories()
    din = encoder("din")
    expected, at = torch.zeros(4, 4), 0
    for row, length in enumerate(LENGTHS.tolist()):
        for item in items[at : at + length]:
            hidden = din.of_item(item) + din.of_target(target[row]) + din.of_both(item * target[row])
            expected[row] += din.weight(hidden.relu()) * item
        at += length
    torch.testing.assert_close(din(items, LENGTHS, target, ALL), expected)


def test_a_search_for_more_items_than_there_are_is_target_attention():
    items, target = histories()
    sim = encoder("sim", top_k=5)
    torch.testing.assert_close(sim(items, LENGTHS, target, ALL), encoder("din")(items, LENGTHS, target, ALL))


def test_a_search_attends_to_the_items_whose_product_with_the_target_is_largest():
    items, target = histories()
    sim = encoder("sim", top_k=2)
    kept = [0, 1, *(2 + (items[2:7] @ target[2]).topk(2).indices.sort().values).tolist(), 7]
    expected = encoder("din")(items[kept], torch.tensor([2, 0, 2, 1]), target, ALL[:5])
    torch.testing.assert_close(sim(items, LENGTHS, target, ALL), expected)


def test_of_equal_products_the_older_items_are_kept():
    row = torch.tensor([0, 0, 0, 1])
    kept = nearest_of_rows(torch.ones(4, 2), row, torch.ones(2, 2), ALL[:4], 2)
    assert kept.tolist() == [True, True, False, True]


@pytest.mark.parametrize("kind", HISTORIES[1:])
def test_one_history_for_all_rows_is_that_history_in_each(kind):
    items, target = histories()
    history = encoder(kind, top_k=3)
    repeated = history(items.repeat(4, 1), torch.full((4,), 8), target, ALL.repeat(4))
    torch.testing.assert_close(history(items, torch.tensor([8]), target, ALL), repeated)


@pytest.mark.parametrize("kind", HISTORIES[1:])
def test_rows_without_any_history_are_zeros_and_have_gradients(kind):
    _, target = histories()
    history = encoder(kind)
    found = history(torch.zeros(0, 4, requires_grad=True), torch.zeros(4, dtype=torch.long), target, ALL[:0])
    found.sum().backward()
    assert torch.equal(found, torch.zeros(4, 4))


@pytest.mark.parametrize("kind", HISTORIES[1:])
def test_an_item_that_the_host_does_not_know_does_not_count(kind):
    items, target = histories()
    history = encoder(kind, top_k=2)
    is_known = torch.tensor([True, False, True, True, False, True, True, False])
    alone = history(items[is_known], torch.tensor([1, 0, 4, 0]), target, ALL[:5])
    torch.testing.assert_close(history(items, LENGTHS, target, is_known), alone)


def test_an_item_that_converted_carries_the_embedding_of_conversions():
    items, target = histories()
    history = encoder("mean", has_conversions=True)
    torch.nn.init.ones_(history.converted)
    flags = torch.tensor([1, 0, 0, 0, 0, 0, 0, 1])
    plain = encoder("mean")(items, LENGTHS, target, ALL)
    shift = (history(items, LENGTHS, target, ALL, flags) - plain)[:, 0]
    torch.testing.assert_close(shift, torch.tensor([0.5, 0.0, 0.0, 1.0]))


def test_the_history_shares_the_table_of_the_target():
    ranker = host("din")
    tables = [name for name, _ in ranker.named_parameters() if "table_item_id" in name]
    assert tables == ["sequences.embeddings.table_item_id.weight"]


def test_a_host_of_torchrecs_pools_the_history_from_the_table_of_the_target():
    bags = EmbeddingBagCollection(embedding_tables({"item_id": 4, "city": 2}, 3, has_item_history=True))
    weight = bags.embedding_bags["table_item_id"].weight
    sparse = KeyedJaggedTensor(
        keys=["item_id", "city", HISTORY_ITEM],
        values=torch.tensor([1, 3, 0, 1, 2, 3]),
        lengths=torch.tensor([1, 1, 1, 1, 2, 0]),
    )
    found = bags(sparse)
    torch.testing.assert_close(found["item_id"], weight[[1, 3]])
    torch.testing.assert_close(found[HISTORY_ITEM], torch.stack([weight[[2, 3]].mean(0), torch.zeros(3)]))
    with pytest.raises(ValueError, match=r"n_codes: expected 'item_id', whose table the history shares, got"):
        embedding_tables({"city": 2}, 3, has_item_history=True)


def test_a_ranker_with_a_history_is_told_where_the_rows_have_none():
    plain = batch()
    with pytest.raises(ValueError, match=r"history_item_id.*has_item_history=True"):
        host("din")(plain.sparse, plain.dense)
    with pytest.raises(ValueError, match="'item_id', whose table the history shares"):
        MultiTaskRanker({"user_id": 7}, N_DENSE, config(history="din"))
    with pytest.raises(ValueError, match="history: expected one of"):
        config(history="long")
    with pytest.raises(ValueError, match="kind: expected one of"):
        HistoryEncoder("none", 4)
    with pytest.raises(ValueError, match="top_k: expected at least 1, got 0"):
        HistoryEncoder("sim", 4, top_k=0)


@pytest.mark.parametrize("history", ["din", pytest.param("sim", marks=pytest.mark.long)])
def test_an_exported_host_reads_the_history_of_its_request_once(history, tmp_path):
    rows = with_histories()
    ranker = host(history, has_converted_history=True, history_top_k=2).eval()
    of_user = ("user_id", "history_item_id", "learn_history_converted")
    export_ranker(ranker, tmp_path / "plain", rows.sparse, rows.dense)
    export_ranker(ranker, tmp_path / "request", rows.sparse, rows.dense, per_request=of_user)
    with torch.no_grad():
        expected = ranker(rows.sparse, rows.dense)
    found = load_exported(tmp_path / "plain")(rows.sparse, rows.dense)
    torch.testing.assert_close(found["ctr_logit"], expected.ctr_logit)
    sparse = {name: (rows.sparse[name].values(), rows.sparse[name].lengths()) for name in rows.sparse.keys()}  # noqa: SIM118
    whole = {name: (values[:3], torch.tensor([3])) for name, (values, _) in sparse.items() if name in of_user}
    whole["user_id"] = (sparse["user_id"][0][:1], torch.tensor([1]))
    repeated = {
        name: (values.repeat(50), torch.full((50,), len(values))) for name, (values, _) in whole.items()
    }
    served = load_exported(tmp_path / "request")
    torch.testing.assert_close(
        served(sparse | whole, rows.dense)["ctr_logit"],
        load_exported(tmp_path / "plain")(sparse | repeated, rows.dense)["ctr_logit"],
    )
