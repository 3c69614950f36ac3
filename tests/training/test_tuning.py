"""A study: stopped or not it finds the same; it prunes, records failures, keeps its budget, and is closed by a look at
test."""

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import BaseTrial, FixedTrial

from recgoat_jax.cli.train import load_experiment
from recgoat_jax.data.storage import write_dataset
from recgoat_jax.encoders.recipes import PreparedData
from recgoat_jax.errors import DataError, UsageError
from recgoat_jax.files import read_json_lines
from recgoat_jax.models import BprMfConfig, RecGoatConfig
from recgoat_jax.report.study_tables import unblinded_page
from recgoat_jax.training import Experiment, LoopConfig, OptimizerConfig, RunResult, loop, read_result, tuning
from recgoat_jax.training.experiment import to_json
from recgoat_jax.training.experiment_source import changed_settings, experiment_source
from recgoat_jax.training.result import write_result
from recgoat_jax.training.search_space import SearchSpace, load_search_space
from recgoat_jax.training.study import JOURNAL_FILE, RunningTrial, Study
from recgoat_jax.training.study_record import StudyConfig, StudyRecord, TrialRecord, read_study
from recgoat_jax.training.tuning import run_study, tuned_experiment
from recgoat_jax.training.unblind import unblind
from tests.worlds import blocks

RATES = (0.2, 0.1, 1e-12, 1e30)
FIRST = tuple({"rate": rate} for rate in RATES)
CONFIG = StudyConfig(trials=5, complete_trials=2, warmup_epochs=1)


def suggest(trial: BaseTrial, experiment: Experiment) -> Experiment:
    model = replace(experiment.model, regularization_weight=trial.suggest_float("penalty", 1e-4, 1e-2, log=True))
    return replace(
        experiment, model=model, optimizer=OptimizerConfig(learning_rate=trial.suggest_categorical("rate", RATES))
    )


SPACE = SearchSpace(suggest, FIRST)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    directory = tmp_path_factory.mktemp("data") / "blocks"
    write_dataset(blocks(), directory)
    return Experiment(
        name="bpr",
        data=PreparedData(directory),
        model=BprMfConfig(dim=4, initialization="normal"),
        loop=LoopConfig(
            batch_size=32,
            max_epochs=4,
            selection_metric="recall@5",
            cutoffs=(5,),
            checkpoint_seconds=0.0,
            tensorboard=False,
            steps_per_call=4,
        ),
        seed=2,
    )


def last(records: Iterator[StudyRecord]) -> StudyRecord:
    return list(records)[-1]


@pytest.fixture(scope="module")
def study(experiment: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("study")
    last(run_study(experiment, SPACE, out=out, config=CONFIG, quiet=True))
    return out


def untimed(record: StudyRecord) -> Any:
    found = to_json(record)
    for trial in found["trials"]:
        del trial["seconds"]
        trial["reason"] = bool(trial["reason"])  # it names the directory
    return found


def test_trials_are_pruned_fail_and_are_judged_on_validation(study: Path) -> None:
    record = read_study(study)
    assert [one.state for one in record.trials[:4]] == ["complete", "complete", "pruned", "failed"]
    assert [one.params["rate"] for one in record.trials[:4]] == list(RATES)
    assert len(record.trials) == 5
    pruned, failed = record.trials[2:4]
    assert (pruned.epochs, failed.value) == (1, None)
    assert "loss is not finite" in (failed.reason or "")
    for trial in record.trials:
        result = read_result(study / trial.directory)
        if trial.value is None:
            assert result is None
            continue
        # A pruned run, too, has a result; the value is the best line of its log.
        assert result is not None
        assert result.test.keys() == result.valid.keys()
        lines = [one for one in read_json_lines(study / trial.directory / "metrics.jsonl") if one["kind"] == "valid"]
        assert len(lines) == trial.epochs
        assert trial.value == max(line["recall@5"] for line in lines) == result.valid["recall@5"]
    assert record.best == max((one for one in record.trials if one.value), key=lambda one: one.value or 0)
    # Nothing of test is in the files of the study itself.
    assert all('"test' not in path.read_text() for path in (study / "study.json", study / JOURNAL_FILE))


class Killed(BaseException):
    """As abrupt as a signal that cannot be caught: nothing is saved after it."""


def test_stopped_and_killed_a_study_finds_the_same(
    study: Path, experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, ends_after = [], RunningTrial.ends_after

    def kill(self: RunningTrial, epoch: int, best_value: float) -> bool:
        asked.append((self.number, epoch))
        ended = ends_after(self, epoch, best_value)
        # Amid trial 1; where trial 2 was told to end, before that is saved; and then after it is, before its result.
        if (self.number, epoch) in ((1, 2), (2, 1)) and asked.count((self.number, epoch)) == 1:
            raise Killed
        return ended

    def kill_instead_of_result(result: RunResult, *rest: object) -> None:
        if result.directory.name == "trial-0002" and not after:
            after.append(result.epochs)
            raise Killed
        write_result(result, *rest)  # type: ignore[arg-type]  # handed on

    after: list[int] = []
    monkeypatch.setattr(RunningTrial, "ends_after", kill)
    monkeypatch.setattr(loop, "write_result", kill_instead_of_result)
    for trials in (2, 5, 5):
        with pytest.raises(Killed):
            last(run_study(experiment, SPACE, out=tmp_path, config=replace(CONFIG, trials=trials), quiet=True))
        with (tmp_path / JOURNAL_FILE).open("ab") as file:
            file.write(b'{"op_code":')  # a line cut short
        (tmp_path / f"{JOURNAL_FILE}.lock").symlink_to("held by the one that was killed")
    found = last(run_study(experiment, SPACE, out=tmp_path, config=CONFIG, quiet=True))
    assert (asked.count((1, 1)), asked.count((1, 2)), asked.count((2, 1)), after) == (1, 2, 2, [1])
    assert untimed(found) == untimed(read_study(study))
    results = [read_result(out / "trial-0001") for out in (tmp_path, study)]
    assert results[0] is not None
    assert results[1] is not None
    assert results[0].test == results[1].test


def test_a_trial_that_is_killed_at_every_start_fails(
    study: Path, experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[int] = []

    def kill(*_: object, trial: RunningTrial, **__: object) -> RunResult:
        starts.append(trial.number)
        if stop_orderly:
            raise KeyboardInterrupt
        if trial.number == 1 and len(starts) == progress_at:
            trial.ends_after(1, 0.1)
        if trial.number == 1:
            raise Killed
        result = read_result(study / "trial-0000")
        assert result is not None
        return result

    monkeypatch.setattr(tuning, "train", kill)
    # Start 4, the third of trial 1, gets an epoch further; the orderly stop counts for nothing: both begin anew.
    progress_at, budget = 4, replace(CONFIG, trials=3)
    for stop_orderly in (False, False, False, False, False, True, False, False, False):
        with pytest.raises(KeyboardInterrupt if stop_orderly else Killed):
            last(run_study(experiment, SPACE, out=tmp_path, config=budget, quiet=True))
    assert starts == [0] + 9 * [1]
    stop_orderly = False
    found = last(run_study(experiment, SPACE, out=tmp_path, config=budget, quiet=True))
    assert starts == [0] + 9 * [1] + [2]
    assert [one.state for one in found.trials] == ["complete", "failed", "complete"]
    assert "killed 3 times after epoch 1, before the next validation" in (found.trials[1].reason or "")


def test_what_was_decided_before_a_stop_is_not_decided_anew() -> None:
    class Pruned:
        number, reports = 0, []

        def report(self, value: float, step: int) -> None:
            self.reports.append((step, value))

        def should_prune(self) -> bool:
            return True

    trial: Any = Pruned()
    running = RunningTrial(trial, title="x").resumed({1: 0.1, 2: 0.2, 3: 0.2})
    # Epochs 1 and 2 were followed by another; after 3 nobody knows. A report stays as it was.
    assert [running.ends_after(epoch, 0.3) for epoch in (1, 2, 3, 4)] == [False, False, True, True]
    assert trial.reports == [(4, 0.3)]


def test_a_finished_study_is_read_and_another_is_refused(study: Path, experiment: Experiment, tmp_path: Path) -> None:
    again = list(run_study(experiment, SPACE, out=study, config=CONFIG, quiet=True))
    assert untimed(again[0]) == untimed(read_study(study))
    assert len(again) == 1
    none_left = replace(CONFIG, trials=99, minutes=0.0)
    assert len(last(run_study(experiment, SPACE, out=study, config=none_left, quiet=True)).trials) == 5
    with pytest.raises(UsageError, match=r"search.seed: stored 0, given 1"):
        last(run_study(experiment, SPACE, out=study, config=replace(CONFIG, seed=1), quiet=True))
    wider = replace(experiment, model=BprMfConfig(dim=8))
    with pytest.raises(UsageError, match=r"experiment.model.dim: stored 4, given 8"):
        last(run_study(wider, SPACE, out=study, config=CONFIG, quiet=True))
    write_dataset(blocks(seed=1), tmp_path / "other")
    elsewhere = replace(experiment, data=PreparedData(tmp_path / "other"))
    with pytest.raises(UsageError, match=r"experiment.dataset_hash: stored "):
        last(run_study(elsewhere, SPACE, out=study, config=CONFIG, quiet=True))
    with pytest.raises(UsageError, match=r"found another text than .*search.py"):
        last(run_study(experiment, replace(SPACE, text="# other"), out=study, config=CONFIG, quiet=True))


def test_a_search_file_may_change_until_a_study_has_begun(experiment: Experiment, tmp_path: Path) -> None:
    nowhere = replace(experiment, data=PreparedData(tmp_path / "nowhere"))
    with pytest.raises(DataError):
        last(run_study(nowhere, replace(SPACE, text="# first"), out=tmp_path / "study", config=CONFIG, quiet=True))
    none = replace(CONFIG, trials=1, minutes=0.0)
    last(run_study(experiment, replace(SPACE, text="# second"), out=tmp_path / "study", config=none, quiet=True))
    assert (tmp_path / "study" / "search.py").read_text() == "# second"


def test_the_record_says_what_was_varied_and_what_mattered(tmp_path: Path) -> None:
    study = Study(tmp_path, config=StudyConfig(pruner="none"), settings={"name": "x"}, metric="recall@5")
    for place in range(12):
        running = study.next()
        matters = running.trial.suggest_float("matters", 1e-3, 1.0, log=True)
        running.trial.suggest_int("idle", 1, 3)
        running.trial.suggest_categorical("kind", (None, "a"))
        assert study.record().importances.keys() == (set() if place < 10 else {"matters", "idle", "kind"})
        study.finish(running, matters, facts={"epochs": 1})
    record = study.record()
    assert record.space == {"matters": "0.001 to 1, log", "idle": "1 to 3 by 1", "kind": "None, a"}
    assert sum(record.importances.values()) == pytest.approx(1.0)
    assert max(record.importances, key=lambda name: record.importances[name]) == "matters"
    assert [one.params["matters"] for one in record.valued] == sorted(
        (one.value for one in record.trials), reverse=True
    )  # type: ignore[type-var]  # none failed


def test_settings_that_a_config_refuses_are_a_failed_trial(experiment: Experiment, tmp_path: Path) -> None:
    def contradict(trial: BaseTrial, base: Experiment) -> Experiment:
        return replace(base, model=RecGoatConfig(dim=trial.suggest_int("dim", 3, 3), heads=2))

    found = last(run_study(experiment, SearchSpace(contradict), out=tmp_path, config=StudyConfig(trials=2), quiet=True))
    assert [one.state for one in found.trials] == ["failed", "failed"]
    assert "dim 3 is not a multiple of heads 2" in (found.trials[0].reason or "")
    assert found.best is None
    with pytest.raises(UsageError, match="no finished trial"):
        unblind(tmp_path)


def test_settings_that_a_model_refuses_are_a_failed_trial(experiment: Experiment, tmp_path: Path) -> None:
    def refuse(trial: BaseTrial, base: Experiment) -> Experiment:
        return replace(base, model=RecGoatConfig(dim=4, output_dropout=trial.suggest_float("dropout", 1.0, 1.0)))

    found = last(run_study(experiment, SearchSpace(refuse), out=tmp_path, config=StudyConfig(trials=1), quiet=True))
    assert [one.state for one in found.trials] == ["failed"]
    assert "dropout" in (found.trials[0].reason or "") or "rate" in (found.trials[0].reason or "")


def test_any_setting_survives_as_a_file(experiment: Experiment, tmp_path: Path) -> None:
    data = PreparedData(Path("it's here"), item_features=(("text", Path("t.npz")),))
    odd = replace(experiment, data=data, optimizer=OptimizerConfig(gradient_clip=float("inf")))
    (tmp_path / "odd.py").write_text(experiment_source(odd, docstring="x"))
    assert load_experiment(tmp_path / "odd.py") == odd


def by_hand(out: Path, study: Path, pairs: list[tuple[float, float]]) -> None:
    """A study of trials with given values on validation and test; the last one pruned."""
    example = json.loads((study / "trial-0000" / "result.json").read_text())
    trials = []
    for number, (valid, test) in enumerate(pairs):
        directory = f"trial-{number:04d}"
        (out / directory).mkdir()
        stored = example | {"valid": {"recall@5": valid}, "test": {"recall@5": test}}
        (out / directory / "result.json").write_text(json.dumps(stored))
        state = "pruned" if number == len(pairs) - 1 else "complete"
        trials.append(TrialRecord(number, state, {}, valid, 1, 1, 1.0, directory))
    replace(read_study(study), trials=tuple(trials)).write(out)


def test_unblinding_ranks_and_closes_the_study(study: Path, experiment: Experiment, tmp_path: Path) -> None:
    by_hand(tmp_path, study, [(0.2, 0.3), (0.3, 0.1), (0.1, 0.2)])
    (tmp_path / "trial-0003").mkdir()
    found = unblind(tmp_path)
    assert found.unfinished == ("trial-0003",)
    assert "Not finished, and left out: trial-0003." in unblinded_page(found)
    assert [one.number for one in found.trials] == [1, 0, 2]
    # Ranks on validation 3, 2, 1 and on test 1, 3, 2: 1 - 6 (4 + 1 + 1) / (3 (9 - 1)) = -1/2.
    assert found.correlation.rho == pytest.approx(-0.5)
    assert (found.complete.trials, found.complete.rho) == (2, None)
    assert (found.chosen.number, found.best.number) == (1, 0)
    assert found.regret == pytest.approx(0.2)
    stored = json.loads((tmp_path / "test.json").read_text())
    assert (stored["chosen"], stored["best_on_test"], stored["correlation"]["trials"]) == (1, 0, 3)
    with pytest.raises(UsageError, match=r"test figures of this study were shown.*tuned on test: choose another --out"):
        last(run_study(experiment, SPACE, out=tmp_path, config=CONFIG, quiet=True))
    with pytest.raises(DataError, match=r"study.json: found no such file"):
        unblind(tmp_path / "trial-0000")


ONE_SETTING = "def suggest(trial, experiment):\n    trial.suggest_int('a', 1, 2)\n    return experiment"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "found no suggest; expected 'def suggest"),
        ("def suggest(trial): ...", "a suggest of other arguments"),
        ("FIRST = {'a': 1}\ndef suggest(trial, experiment): ...", "expected a tuple of dicts"),
        (
            "def suggest(trial, experiment): return trial.suggest_int('a', 1, 2)",
            "suggest returned int; expected an Exp",
        ),
        ("def suggest(trial, experiment): return experiment", "asks the trial for nothing"),
        (
            "FIRST = ({'a': 3},)\n" + ONE_SETTING,
            r"FIRST\[0\] sets \{'a': 3\}; expected names that suggest asks for",
        ),
        (
            "FIRST = ({'b': 1},)\n" + ONE_SETTING,
            r"FIRST\[0\] sets \{'b': 1\}",
        ),
        (
            "from dataclasses import replace\ndef suggest(trial, experiment):\n    trial.suggest_int('a', 1, 2)\n"
            "    return replace(experiment, loop=replace(experiment.loop, cutoffs=(5, 7)))",
            "suggest changed the data, loop.selection_metric or loop.cutoffs",
        ),
        (
            "def suggest(trial, experiment):\n    assert experiment.model.dim == 3\n    return experiment",
            r"search.py, line 2: found that '\w+', with \w+Config, does not hold to 'assert experiment.model.dim == 3'",
        ),
        (
            "from dataclasses import replace\ndef suggest(trial, experiment):\n"
            "    return replace(experiment, model=replace(experiment.model, depth=trial.suggest_int('a', 1, 2)))",
            r"does not hold to '.*' \(TypeError: .*depth.*\); expected the experiment that .*search.py is written for",
        ),
    ],
)
def test_search_files_that_do_not_do_are_refused(
    text: str, message: str, experiment: Experiment, tmp_path: Path
) -> None:
    (tmp_path / "search.py").write_text(text)
    with pytest.raises(UsageError, match=message):
        load_search_space(tmp_path / "search.py").check(experiment, seed=0)


@pytest.mark.parametrize(
    ("search", "bases"),
    [
        ("recgoat_baby", ["recgoat_baby"]),
        ("alignment_baby", ["recgoat_baby"]),
        ("lightgcn_baby", ["lightgcn_baby_tuned"]),
        ("id_graph_baby", ["id_graph_baby"]),
        ("plain_graph_baby", ["plain_graph_baby"]),
        ("recgoat", ["recgoat_lastfm", "recgoat_movielens_small", "recgoat_scientific"]),
        ("lightgcn", ["lightgcn_lastfm", "lightgcn_movielens_small", "lightgcn_scientific"]),
    ],
)
def test_the_first_trial_of_each_space_is_the_experiment(search: str, bases: list[str], tmp_path: Path) -> None:
    space = load_search_space(Path(str(import_module(f"experiments.search.{search}").__file__)))
    for name in bases:
        base = import_module(f"experiments.{name}").CONFIG
        space.check(base, seed=0)
        first = TrialRecord(0, "complete", space.first[0], 0.1, 1, 1, 1.0, "trial-0000")
        assert changed_settings(base, tuned_experiment(space, base, trial=first)) == []
        setting, value = ("learning_rate", 0.002) if "learning_rate" in first.params else ("id_share", 0.7)
        other = replace(space.experiment(FixedTrial({**first.params, setting: value}), base), name="x")
        # As a file it is the same experiment.
        (tmp_path / f"{name}.py").write_text(experiment_source(other, docstring="x"))
        assert load_experiment(tmp_path / f"{name}.py") == other
        (change,) = changed_settings(base, other)
        place, stored = ("model", base.model) if setting == "id_share" else ("optimizer", base.optimizer)
        assert change == f"{place}.{setting}: {getattr(stored, setting)} -> {value}"
