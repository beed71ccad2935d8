"""One trained ranker of a finished run, exported with the stores that it was trained with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from learn_rank.data.batch import CONVERTED_FEATURE, HISTORY_ITEM
from learn_rank.data.dataset_files import read_dataset
from learn_rank.data.encoded_rows import EncodedDataset
from learn_rank.rankers.multi_task import MultiTaskRanker
from learn_rank.rankers.train import load_ranker
from learn_rank.report_kit.words import AUTO
from learn_rank.run.arms import ARMS, make_fusion
from learn_rank.run.auto_arm import FUSED, served_heads
from learn_rank.run.config import RunConfig, fitted_to, read_config
from learn_rank.run.folder import RunFolder
from learn_rank.run.rows import rows_of_run
from learn_rank.serving.export import export_ranker
from learn_rank.serving.swap import VectorSource
from learn_recall.columns import USER_ID
from learn_recall.store import EmbeddingStore

N_EXAMPLES = 256


def export_run(
    run: Path,
    out: Path,
    *,
    arm: str = "learn",
    seed: int = 0,
    dtype: str | None = None,
    one_request: bool = False,
    torchscript: bool = False,
) -> Path:
    """Export a ranker of a run; the example rows are the first ones of its validation set.

    Args:
        run: folder of `learn-rank run`.
        out: folder to make or replace.
        arm: one that was trained with vectors as they are, the baseline, or "auto": what validation chose for
            each head, one ranker where both heads are its own; the manifest says which and why.
        seed: of the training.
        one_request: the user's id, vector and history are features of the request.
        dtype, torchscript: as in `export_ranker`.

    Raises:
        ValueError: an arm or a seed that the run did not train, or an arm with vectors of other ids.
    """
    trained = _TrainedRun.open(run)
    heads = served_heads(trained.place, seed) if arm == AUTO else None
    if heads is not None and heads.arm is None:
        ranker = heads.ranker(lambda name: trained.ranker(name, seed), trained.rows.n_known_items)
        sources = trained.sources(FUSED, "fused.")
    else:
        alone = arm if heads is None or heads.arm is None else heads.arm
        ranker, sources = trained.ranker(alone, seed), trained.sources(alone, "")
    example = next(trained.rows.valid.batches(N_EXAMPLES))
    return export_ranker(
        ranker,
        out,
        example.sparse,
        example.dense,
        dtype=dtype,
        sources=sources,
        per_request=trained.of_user(has_plugin=bool(sources)) if one_request else (),
        torchscript=torchscript,
        choice=None if heads is None else heads.why,
    )


@dataclass(frozen=True)
class _TrainedRun:
    """A run whose rankers can be opened one by one, with the rows and vectors that they know."""

    place: RunFolder
    config: RunConfig
    rows: EncodedDataset
    stores: dict[str, EmbeddingStore]

    @classmethod
    def open(cls, run: Path) -> _TrainedRun:
        config, place = read_config(run)[0], RunFolder(run)
        dataset = read_dataset(place.tables)
        stores = {"user": EmbeddingStore.open(place.users), "item": EmbeddingStore.open(place.items)}
        rows = rows_of_run(dataset, stores["item"], config)
        return cls(place, fitted_to(config, dataset), rows, stores)

    def ranker(self, arm: str, seed: int) -> MultiTaskRanker:
        known = {each.name: each for each in ARMS if not (each.is_shuffled or each.is_random)}
        folders = {name: self.place.model_of(name, seed) for name in known}
        trained = [name for name, folder in folders.items() if (folder / "model.safetensors").is_file()]
        if arm not in trained:
            raise ValueError(
                f"arm: expected one of {[*trained, AUTO]}, trained in {self.place.path} with seed {seed}, "
                f"got {arm!r}."
            )
        shape = known[arm].shape_of(self.config.ranker)
        fusion = make_fusion(
            known[arm],
            self.stores["user"],
            self.stores["item"],
            self.config.fusion,
            seed=seed,
            kind=self.config.fusion_kind,
            host_dim=MultiTaskRanker.host_dim(self.rows.n_codes, shape),
        )
        ranker = MultiTaskRanker(self.rows.n_codes, self.rows.n_dense, shape, fusion)
        load_ranker(ranker, folders[arm])
        return ranker

    def sources(self, arm: str, part: str) -> dict[str, VectorSource]:
        """The stores behind the frozen tables of an arm that stands in that part of the exported ranker."""
        found = next(each for each in ARMS if each.name == arm)
        if found.blocks is None:
            return {}
        return {
            f"{part}fusion.{side}_vectors": VectorSource(store, found.found_in(store).blocks)
            for side, store in self.stores.items()
        }

    def of_user(self, *, has_plugin: bool) -> tuple[str, ...]:
        """Features that are the same for all candidates of a request."""
        fused = self.config.fusion
        plugin = (fused.user_feature, fused.history_feature, fused.converted_feature) if has_plugin else ()
        host = (HISTORY_ITEM,) if self.config.ranker.has_history else ()
        if self.config.ranker.has_converted_history:
            host = (*host, CONVERTED_FEATURE)
        return tuple(dict.fromkeys((USER_ID, *host, *(name for name in plugin if name is not None))))
