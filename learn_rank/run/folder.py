"""Where things lie in the folder of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ArmsFolder:
    """The trained rankers in a folder, one folder an arm.

    Attributes:
        path: of the folder.
    """

    path: Path

    def model_of(self, arm: str, seed: int) -> Path:
        """Where the ranker of an arm and seed is kept."""
        return self.path / arm / f"seed-{seed}"

    def history_of(self, arm: str, seed: int) -> Path:
        """What each epoch of an arm and seed scored on validation."""
        return self.model_of(arm, seed) / "history.json"

    def predictions_of(self, arm: str, seed: int) -> Path:
        """Labels and scores of the test rows."""
        return self.path / arm / f"seed-{seed}.parquet"

    def validation_of(self, arm: str, seed: int) -> Path:
        """Labels and scores of the validation rows, from which `auto` is chosen."""
        return self.path / arm / f"seed-{seed}.valid.parquet"

    def seeds_of(self, arm: str) -> tuple[int, ...]:
        """The seeds of an arm that have predictions, in order."""
        names = (path.name.removeprefix("seed-") for path in (self.path / arm).glob("seed-*.parquet"))
        found = (name.removesuffix(".parquet") for name in names)
        return tuple(sorted(int(name) for name in found if name.isdecimal()))


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run: a place for each thing, whether it is there yet or not.

    Attributes:
        path: of the folder.
    """

    path: Path

    @property
    def settings(self) -> Path:
        """What the run was asked for (`learn_rank.run.config.read_config`)."""
        return self.path / "run.json"

    def stamp_of(self, stage: str) -> Path:
        """What a stage was made from, and whether it was finished."""
        return self.path / "stages" / f"{stage}.json"

    @property
    def tables(self) -> Path:
        """The data set (`learn_rank.data.dataset_files.read_dataset`)."""
        return self.path / "tables"

    @property
    def content(self) -> Path:
        """Store of the items' frozen texts."""
        return self.path / "content"

    @property
    def language_model(self) -> Path:
        """Store of the language model alone, where the content holds words besides."""
        return self.path / "content-lm"

    @property
    def words(self) -> Path:
        """What was learned of the words."""
        return self.path / "words.safetensors"

    @property
    def towers(self) -> Path:
        """The trained towers."""
        return self.path / "towers"

    @property
    def recall(self) -> Path:
        """How well the towers recall, as rows of the report."""
        return self.path / "recall.json"

    @property
    def users(self) -> Path:
        """Store of the vectors of user contexts."""
        return self.path / "vectors" / "users"

    @property
    def items(self) -> Path:
        """Store of the vectors of items."""
        return self.path / "vectors" / "items"

    @property
    def predictions(self) -> Path:
        """All that the training of rankers leaves."""
        return self.path / "predictions"

    @property
    def forward(self) -> ArmsFolder:
        """Copies of rankers, trained on the earlier rows of training, by which `auto` serves new items."""
        return ArmsFolder(self.predictions / "forward")

    @property
    def forward_part(self) -> Path:
        """What is known of the rows that those copies are judged by, or why there are none."""
        return self.forward.path / "part.json"

    @property
    def ease(self) -> Path:
        """The item-item regression that a host serves with, where it has one."""
        return self.predictions / "ease.npz"

    @property
    def tuning(self) -> Path:
        """The weight decay that was tuned for the baseline, and what the others scored."""
        return self.predictions / "tuning.json"

    def tuning_of(self, decay: float) -> Path:
        """Where the baseline of one weight decay is kept."""
        return self.predictions / "tuning" / f"decay-{decay:g}"

    def model_of(self, arm: str, seed: int) -> Path:
        """Where the ranker of an arm and seed is kept."""
        return self._arms.model_of(arm, seed)

    def history_of(self, arm: str, seed: int) -> Path:
        """What each epoch of an arm and seed scored on validation."""
        return self._arms.history_of(arm, seed)

    def predictions_of(self, arm: str, seed: int) -> Path:
        """Labels and scores of the test rows."""
        return self._arms.predictions_of(arm, seed)

    def validation_of(self, arm: str, seed: int) -> Path:
        """Labels and scores of the validation rows, from which `auto` is chosen."""
        return self._arms.validation_of(arm, seed)

    def seeds_of(self, arm: str) -> tuple[int, ...]:
        """The seeds of an arm that have predictions, in order."""
        return self._arms.seeds_of(arm)

    @property
    def report_json(self) -> Path:
        """The report for machines; `learn_rank.report.write_report` names the files of any report."""
        return self.path / "report.json"

    @property
    def report_html(self) -> Path:
        """The report for people."""
        return self.path / "report.html"

    @property
    def ab_candidates(self) -> Path:
        """Folder of the candidates of a simulated test, of a marketplace."""
        return self.path / "ab"

    @property
    def ab_json(self) -> Path:
        """The result of that test."""
        return self.path / "ab.json"

    def ab_json_of(self, answer: str) -> Path:
        """The result of an arm beside it whose answer is known."""
        return self.path / f"ab_{answer}.json"

    @property
    def ab_html(self) -> Path:
        """The page of that test."""
        return self.path / "ab.html"

    @property
    def ablation(self) -> ArmsFolder:
        """Variants of the fusion that were trained on the run."""
        return ArmsFolder(self.path / "ablation")

    @property
    def ablation_towers(self) -> Path:
        """Other towers for those variants."""
        return self.ablation.path / "towers"

    @property
    def _arms(self) -> ArmsFolder:
        return ArmsFolder(self.predictions)
