"""A host's attention that also weighs its history by content: against loops, at its start, and served."""

import pytest
import torch
from small_rankers import N_CODES, N_DENSE, batch, config, tables
from torchrec import KeyedJaggedTensor

from learn_rank.data.batch import HISTORY_ITEM, Batch
from learn_rank.fusion.config import FusionConfig
from learn_rank.fusion.kinds import fusion_of_kind
from learn_rank.rankers.history import HistoryEncoder
from learn_rank.rankers.history_content import ContentWeights, need_same_lists, of_items
from learn_rank.rankers.multi_task import MultiTaskRanker
from learn_rank.rankers.zero_start import start_from_host
from learn_rank.run.arms import NO_HISTORY
from learn_rank.serving import export_ranker, load_exported

BLOCKS = ((0, 3), (3, 4))
LENGTHS = torch.tensor([2, 0, 5, 1])


def drawn(shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def weights() -> ContentWeights:
    made = ContentWeights(BLOCKS, 4)
    with torch.no_grad():
        for at, parameter in enumerate(made.parameters()):
            parameter.copy_(drawn(tuple(parameter.shape), seed=at))
    return made


def aligned(n: int = 50, seed: int = 0) -> Batch:
    """`small_rankers.batch` whose host's history are the codes of the plugin's, some items unknown to it."""
    rows = batch(n, seed)
    history = rows.sparse["learn_history"]
    codes = torch.where(history.values() < 206, history.values() - 199, 0)
    return Batch(
        KeyedJaggedTensor(
            keys=[*rows.sparse.keys(), HISTORY_ITEM],
            values=torch.cat([rows.sparse.values(), codes]),
            lengths=torch.cat([rows.sparse.lengths(), history.lengths()]),
        ),
        rows.dense,
        rows.click,
        rows.conversion,
    )


def ranker(scores: str, history: str = "din", kind: str = "learn", **settings) -> MultiTaskRanker:
    torch.manual_seed(0)
    shape = config(history=history, history_scores=scores, history_top_k=2, dropout=0.0)
    width = MultiTaskRanker.host_dim(N_CODES, shape)
    plugin = fusion_of_kind(
        kind, *tables(), FusionConfig(**{"dropout": 0.0, "history_length": 3, **settings}), host_dim=width
    )
    return MultiTaskRanker(N_CODES, N_DENSE, shape, plugin)


def trained(history: str = "din") -> MultiTaskRanker:
    """With other weights by content than at the start."""
    made = ranker("slots", history).eval()
    with torch.no_grad():
        for parameter in made.history.content.parameters():
            parameter.add_(drawn(tuple(parameter.shape)))
    return made


def test_what_content_adds_is_what_a_loop_over_rows_slots_and_blocks_gives():
    made = weights()
    is_compared = torch.tensor([[True, False, True], [False] * 3, [True] * 3])
    cosine = drawn((3, 2, 3), 8).tanh() * is_compared[:, None]
    with torch.no_grad():
        added, factor = made.terms(cosine, is_compared)
    for row, slot in torch.cartesian_prod(torch.arange(3), torch.arange(3)).tolist():
        by_added, by_factor = torch.zeros(()), torch.zeros(())
        for block, (start, stop) in enumerate(BLOCKS):
            r = cosine[row, block] * (stop - start) ** 0.5 / 3 / made.slots.log_temperature[block].exp()
            beside = is_compared[row].nonzero()[:, 0].tolist()
            near = r[slot].exp() / sum(r[at].exp() for at in beside) if slot in beside else 0.0
            by_added += made.slots.of_cosine[block] * near
            by_factor += made.slots.of_product[block] * near
        assert float(added[row, slot]) == pytest.approx(by_added.item(), abs=1e-6)
        assert float(factor[row, slot]) == pytest.approx(by_factor.item(), abs=1e-6)


def test_each_item_of_the_host_takes_the_slot_of_the_same_item():
    # slots of the newest three of lists of 2, 0, 5 and 1 items; a value is row.place
    has_slot = torch.tensor([[True, True, False], [False] * 3, [True] * 3, [True, False, False]])
    values = torch.tensor([[0.1, 0.2, 9], [9, 9, 9], [2.3, 2.4, 2.5], [3.1, 9, 9]])
    found = of_items(values, has_slot, torch.zeros(8), LENGTHS)
    torch.testing.assert_close(found, torch.tensor([0.1, 0.2, 0, 0, 2.3, 2.4, 2.5, 3.1]))
    # a host that keeps but the newest two of each
    found = of_items(values, has_slot, torch.zeros(5), LENGTHS.clamp(max=2))
    torch.testing.assert_close(found, torch.tensor([0.1, 0.2, 2.4, 2.5, 3.1]))
    # one history of five items for two candidates
    found = of_items(values[2:], has_slot[2:3], torch.zeros(5), torch.tensor([5]))
    torch.testing.assert_close(found, torch.tensor([0, 0, 2.3, 2.4, 2.5, 0, 0, 3.1, 9, 9]))


@pytest.mark.parametrize("history", ["din", "sim"])
def test_it_starts_as_the_attention_by_ids_alone_and_its_weights_get_gradients(history):
    rows = aligned()
    host, both = ranker("ids", history), ranker("slots", history)
    expected, found = host(rows.sparse, rows.dense), both(rows.sparse, rows.dense)
    torch.testing.assert_close(found.ctr_logit, expected.ctr_logit)
    both.loss(found, rows).backward()
    gradients = {name: one.grad for name, one in both.history.content.named_parameters()}
    assert all(torch.isfinite(gradient).all() for gradient in gradients.values())
    assert all(gradients[f"slots.{name}"].any() for name in ("of_id", "of_cosine", "of_product"))


def test_an_item_that_the_host_never_met_counts_by_its_content_alone():
    content = weights()
    din = HistoryEncoder("din", 4, hidden_dim=6, content=content)
    target, one, terms = drawn((1, 4), 3), torch.tensor([1]), (torch.tensor([0.5]), torch.tensor([0.25]))
    met, unmet = torch.tensor([True]), torch.tensor([False])
    of_unmet = din(drawn((1, 4), 1), one, target, unmet, None, terms)
    torch.testing.assert_close(of_unmet[0], 0.5 * content.unmet)
    torch.testing.assert_close(din(drawn((1, 4), 2), one, target, unmet, None, terms), of_unmet)
    alone = din(drawn((1, 4), 1), one, target, met)
    of_met = (content.slots.of_id + 0.25) * alone + 0.5 * drawn((1, 4), 1)
    torch.testing.assert_close(din(drawn((1, 4), 1), one, target, met, None, terms), of_met)


def test_a_search_keeps_by_id_what_it_kept_and_adds_by_content_what_is_beyond():
    rows = aligned()
    both = trained("sim")
    with torch.no_grad():
        both.history.content.slots.of_cosine.zero_()
        both.history.content.slots.of_product.zero_()
        both.history.content.slots.of_id.fill_(1.0)
    torch.testing.assert_close(
        both(rows.sparse, rows.dense).ctr_logit,
        ranker("ids", "sim").eval()(rows.sparse, rows.dense).ctr_logit,
    )


@pytest.mark.long
@pytest.mark.parametrize("history", ["din", "sim"])
def test_an_exported_ranker_attends_by_content_row_by_row_and_request_by_request(history, tmp_path):
    rows, made = aligned(), trained(history)
    of_user = ("user_id", "learn_user", "learn_history", HISTORY_ITEM)
    export_ranker(made, tmp_path / "plain", rows.sparse, rows.dense)
    export_ranker(made, tmp_path / "request", rows.sparse, rows.dense, per_request=of_user)
    with torch.no_grad():
        expected = made(rows.sparse, rows.dense)
    served = load_exported(tmp_path / "plain")
    torch.testing.assert_close(served(rows.sparse, rows.dense)["ctr_logit"], expected.ctr_logit)
    sparse = {name: (rows.sparse[name].values(), rows.sparse[name].lengths()) for name in rows.sparse.keys()}  # noqa: SIM118
    short = {"user_id": sparse["user_id"][0][:1], "learn_user": sparse["learn_user"][0][:1]}
    short |= {"learn_history": torch.tensor([201, 207, 203, 200]), HISTORY_ITEM: torch.tensor([2, 0, 4, 1])}
    one = {name: (values, torch.tensor([len(values)])) for name, values in short.items()}
    repeated = {name: (v.repeat(50), torch.full((50,), len(v))) for name, v in short.items()}
    torch.testing.assert_close(
        load_exported(tmp_path / "request")(sparse | one, rows.dense)["ctr_logit"],
        served(sparse | repeated, rows.dense)["ctr_logit"],
    )


def test_candidates_of_one_request_are_scored_as_one_by_one():
    made, rows = trained(), aligned(40)
    with torch.no_grad():
        whole = made(rows.sparse, rows.dense).ctr_logit
    keys = rows.sparse.keys()
    for row in (0, 7, 39):
        parts = []
        for name in keys:
            feature = rows.sparse[name]
            start = int(feature.lengths()[:row].sum())
            parts.append(feature.values()[start : start + int(feature.lengths()[row])])
        alone = KeyedJaggedTensor(
            keys=keys, values=torch.cat(parts), lengths=torch.tensor([len(part) for part in parts])
        )
        with torch.no_grad():
            torch.testing.assert_close(made(alone, rows.dense[row : row + 1]).ctr_logit, whole[row : row + 1])


def test_the_weights_of_the_host_alone_start_a_ranker_that_attends_by_content():
    torch.manual_seed(3)
    shape = config("logit", history="din", history_scores="slots", dropout=0.0)
    host = MultiTaskRanker(N_CODES, N_DENSE, shape)
    assert host.history.content is None
    plugin = fusion_of_kind("learn", *tables(), FusionConfig(dropout=0.0), host_dim=0)
    both, rows = MultiTaskRanker(N_CODES, N_DENSE, shape, plugin), aligned()
    start_from_host(both, host.state_dict())
    torch.testing.assert_close(
        both(rows.sparse, rows.dense).ctr_logit, host(rows.sparse, rows.dense).ctr_logit
    )


def test_histories_that_are_not_the_same_lists_are_refused_and_cut_ones_are_not():
    need_same_lists(torch.tensor([3, 0, 3, 1]), torch.tensor([5, 0, 4, 1]))  # the host's cut to three
    need_same_lists(torch.tensor([4]), torch.tensor([4]))
    need_same_lists(torch.tensor([], dtype=torch.int64), torch.tensor([], dtype=torch.int64))
    with pytest.raises(ValueError, match=r"got 1 and 2 items in row 1, 1 such rows\. Remedy: filter both"):
        need_same_lists(torch.tensor([3, 1]), torch.tensor([3, 2]))
    rows = aligned()
    other = KeyedJaggedTensor(
        keys=["user_id", "item_id", "tags", "learn_user", "learn_item", "learn_history", HISTORY_ITEM],
        values=torch.cat([rows.sparse[name].values() for name in rows.sparse.keys()]),  # noqa: SIM118
        lengths=torch.cat(
            [
                *(rows.sparse[name].lengths() for name in batch().sparse.keys()),  # noqa: SIM118
                rows.sparse[HISTORY_ITEM].lengths().flip(0),
            ]
        ),
    )
    with pytest.raises(ValueError, match="history_scores: expected the host's history and the plugin's"):
        ranker("slots")(other, rows.dense)


def test_what_cannot_attend_by_content_says_so():
    with pytest.raises(ValueError, match="history_scores: expected one of"):
        config(history="din", history_scores="both")
    with pytest.raises(ValueError, match='content: expected None beside a "mean"'):
        HistoryEncoder("mean", 4, content=weights())
    with pytest.raises(ValueError, match="history_scores: expected \"ids\" beside history='mean'"):
        ranker("slots", "mean")
    for settings, why in (
        ({"kind": "gate"}, "GateFusion, which wants the host's embeddings first"),
        ({"history_feature": None}, "LearnFeatureFusion, which has no history_feature"),
        ({"searched_block": 0}, "LearnFeatureFusion, which searches long histories"),
    ):
        with pytest.raises(ValueError, match=why):
            ranker("slots", **settings)
    assert NO_HISTORY.shape_of(config(history="din", history_scores="slots")).history_scores == "ids"
