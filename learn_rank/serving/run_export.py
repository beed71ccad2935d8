"""One trained ranker of a finished run, exported with the stores that it was trained with."""

from __future__ import annotations

from pathlib import Path

from learn_rank.data.dataset_files import read_dataset
from learn_rank.data.ease_rows import host_rows
from learn_rank.rankers.multi_task import MultiTaskRanker
from learn_rank.rankers.train import load_ranker
from learn_rank.run.arms import ARMS, make_fusion
from learn_rank.run.config import fitted_to, read_config
from learn_rank.run.folder import RunFolder
from learn_rank.serving.export import export_ranker
from learn_rank.serving.swap import VectorSource
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
        arm: one that was trained with vectors as they are, or the baseline.
        seed: of the training.
        one_request: the user's id, vector and history are features of the request.
        dtype, torchscript: as in `export_ranker`.

    Raises:
        ValueError: an arm or a seed that the run did not train, or an arm with vectors of other ids.
    """
    config, place = read_config(run)[0], RunFolder(run)
    known = {each.name: each for each in ARMS if not (each.is_shuffled or each.is_random)}
    trained = [name for name in known if (place.model_of(name, seed) / "model.safetensors").is_file()]
    if arm not in trained:
        raise ValueError(f"arm: expected one of {trained}, trained in {run} with seed {seed}, got {arm!r}.")
    dataset = read_dataset(place.tables)
    fitted = fitted_to(config, dataset)
    stores = {"user": EmbeddingStore.open(place.users), "item": EmbeddingStore.open(place.items)}
    data = host_rows(dataset, stores["item"], config.ease, history_length=config.fusion.history_length)
    fusion = make_fusion(
        known[arm],
        stores["user"],
        stores["item"],
        fitted.fusion,
        seed=seed,
        kind=config.fusion_kind,
        host_dim=MultiTaskRanker.host_dim(data.n_codes, fitted.ranker),
    )
    ranker = MultiTaskRanker(data.n_codes, data.n_dense, fitted.ranker, fusion)
    load_ranker(ranker, place.model_of(arm, seed))
    example = next(data.valid.batches(N_EXAMPLES))
    sources = {
        f"fusion.{side}_vectors": VectorSource(store, known[arm].found_in(store).blocks)
        for side, store in stores.items()
        if fusion is not None
    }
    fused = fitted.fusion
    of_user = ["user_id"] if fusion is None else ["user_id", fused.user_feature]
    of_history = [] if fusion is None else [fused.history_feature, fused.converted_feature]
    per_request = [*of_user, *(name for name in of_history if name is not None)]
    return export_ranker(
        ranker,
        out,
        example.sparse,
        example.dense,
        dtype=dtype,
        sources=sources,
        per_request=per_request if one_request else (),
        torchscript=torchscript,
    )
