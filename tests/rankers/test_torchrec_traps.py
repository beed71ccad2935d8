"""torchrec's traps on the road of frozen vectors: each shown with torchrec's plain way, and not fallen into.

The trap that needs two processes (data parallel wrappers overwrite buffers) is in test_engine.py.
"""

import pytest
import torch
from torch import nn
from torchrec import EmbeddingBagCollection, EmbeddingBagConfig, KeyedJaggedTensor
from torchrec.distributed import DistributedModelParallel
from torchrec.distributed.model_parallel import get_default_sharders
from torchrec.distributed.planner import EmbeddingShardingPlanner, ParameterConstraints
from torchrec.distributed.planner.storage_reservations import FixedPercentageStorageReservation
from torchrec.distributed.planner.types import KernelConfig, TopologyFactory, TrainerConfig
from torchrec.distributed.types import ShardingEnv

from learn_rank.engine import EngineConfig, processes
from learn_rank.engine.sharding import sharded
from learn_rank.frozen.embedding import FrozenEmbedding
from learn_rank.testing import assert_frozen

VECTORS = torch.arange(20.0).reshape(5, 4) / 20


class Plain(nn.Module):
    """A "frozen" table the plain way: an embedding collection whose weights are set and told not to learn."""

    def __init__(self):
        super().__init__()
        self.tables = EmbeddingBagCollection(
            [EmbeddingBagConfig(name="t", embedding_dim=4, num_embeddings=5, feature_names=["f"])]
        )
        self.tables.embedding_bags["t"].weight.data.copy_(VECTORS)
        self.tables.embedding_bags["t"].weight.requires_grad_(False)
        self.head = nn.Linear(4, 1)

    def forward(self, ids):
        """(B,) logits."""
        return self.head(self.tables(ids).values())[:, 0]


class Ours(Plain):
    """The same vectors in a frozen table, beside a collection that learns."""

    def __init__(self):
        super().__init__()
        self.tables.embedding_bags["t"].weight.requires_grad_(True)
        self.frozen = FrozenEmbedding(torch.arange(5), VECTORS)

    def forward(self, ids):
        """(B,) logits."""
        vectors, _ = self.frozen(ids["f"].values())
        return self.head(vectors + self.tables(ids).values())[:, 0]


def ids() -> KeyedJaggedTensor:
    return KeyedJaggedTensor(["f"], torch.tensor([0, 3, 4]), lengths=torch.tensor([1, 1, 1]))


def plainly_sharded(model, here):
    """torchrec's own way, on the fused kernel."""
    planner = EmbeddingShardingPlanner(
        topology=TopologyFactory.create_topology(
            TrainerConfig(world_size=1), kernel_config=KernelConfig(compute_device="cpu")
        ),
        constraints={"t": ParameterConstraints(sharding_types=["table_wise"])},
        storage_reservation=FixedPercentageStorageReservation(0.15),
    )
    plan = planner.collective_plan(model, get_default_sharders(), here.group)
    env = ShardingEnv.from_process_group(here.group)
    return DistributedModelParallel(model, env=env, device=here.device, plan=plan)


def table_of(engine) -> torch.Tensor:
    return engine.state_dict()["tables.embedding_bags.t.weight"].local_shards()[0].tensor


@pytest.fixture
def here():
    with processes(device="cpu") as one:
        yield one


def test_weights_that_were_set_before_are_made_anew_and_ours_are_kept(here):
    torch.manual_seed(0)
    assert not torch.equal(table_of(plainly_sharded(Plain(), here)), VECTORS)
    model = Ours()
    with assert_frozen(model):
        engine, _ = sharded(model, here, EngineConfig())
    assert torch.equal(table_of(engine), VECTORS)
    assert torch.equal(engine.module.frozen(torch.arange(5))[0], VECTORS)


def test_a_table_that_must_not_learn_is_told_to_learn_and_ours_has_no_parameter(here):
    plain = dict(plainly_sharded(Plain(), here).named_parameters())
    assert plain["tables.embedding_bags.t.weight"].requires_grad
    engine, optimizer = sharded(Ours(), here, EngineConfig())
    assert not [name for name, _ in engine.named_parameters() if "frozen" in name]
    assert not [name for name in optimizer.params if "frozen" in name]


def test_the_fused_kernel_moves_a_table_that_no_optimizer_holds_and_not_ours(here):
    plain = plainly_sharded(Plain(), here)
    before = table_of(plain).clone()
    plain(ids()).sum().backward()
    assert not torch.equal(table_of(plain), before)

    engine, optimizer = sharded(Ours(), here, EngineConfig())
    learned = table_of(engine).clone()
    with assert_frozen(engine, optimizer):
        for _ in range(3):
            optimizer.zero_grad()
            engine(ids()).square().sum().backward()
            optimizer.step()
    assert not torch.equal(table_of(engine), learned)


def test_an_error_on_shapes_inside_forward_cannot_be_traced_and_our_lookup_can():
    class Checked(nn.Module):
        def forward(self, ids):
            if ids.shape[0] == 0:
                raise ValueError("ids: expected some, got none.")
            return ids

    with pytest.raises(torch.fx.proxy.TraceError, match="control flow"):
        torch.fx.symbolic_trace(Checked())
    table = FrozenEmbedding(torch.arange(5), VECTORS, dtype="int8")
    traced = torch.fx.symbolic_trace(table)
    for asked in (torch.tensor([4, 9]), torch.empty(0, dtype=torch.int64)):
        assert torch.equal(traced(asked)[0], table(asked)[0])


def test_loading_a_state_drops_the_words_of_a_mismatch_and_ours_are_raised(here):
    """`DistributedModelParallel` collects the error messages of its modules in a list that nobody reads."""
    engine, _ = sharded(Ours(), here, EngineConfig())
    state = engine.state_dict()
    engine.load_state_dict({**state, "head.weight": torch.ones(1, 3)})  # of another shape: not a word
    assert engine.module.head.weight.shape == (1, 4)
    with pytest.raises(ValueError, match="trained with"):
        engine.load_state_dict({**state, "frozen.identity": torch.zeros(32, dtype=torch.uint8)})


def test_a_table_on_the_meta_device_is_filled_by_its_init_fn(here):
    class Large(nn.Module):
        def __init__(self):
            super().__init__()
            config = EmbeddingBagConfig(
                name="t",
                embedding_dim=4,
                num_embeddings=5,
                feature_names=["f"],
                init_fn=lambda weight: nn.init.constant_(weight, 0.5),
            )
            self.tables = EmbeddingBagCollection([config], device=torch.device("meta"))
            self.head = nn.Linear(4, 1)

    engine, _ = sharded(Large(), here, EngineConfig())
    assert (table_of(engine) == 0.5).all()


@pytest.mark.parametrize("name", ["rowwise_adagrad", "adagrad"])
def test_the_fused_optimizer_of_the_tables_moves_the_rows_that_were_seen_alone(here, name):
    engine, optimizer = sharded(Ours(), here, EngineConfig(table_optimizer=name, table_learning_rate=0.1))
    engine(ids()).sum().backward()
    optimizer.step()
    moved = (table_of(engine) != VECTORS).any(dim=1)
    assert moved.tolist() == [True, False, False, True, True]


def test_an_optimizer_that_the_device_does_not_have_is_refused(here):
    with pytest.raises(ValueError, match="table_optimizer"):
        sharded(Ours(), here, EngineConfig(table_optimizer="adam"))
