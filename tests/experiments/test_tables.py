"""The tables of the experiments: what their rows are, without running any."""

from dataclasses import replace
from pathlib import Path

import pytest

from recgoat_jax.cli.table import load_table
from recgoat_jax.models import LightGcnConfig, RecGoatConfig
from recgoat_jax.report.result_table import TableRow
from recgoat_jax.training import Experiment
from recgoat_jax.training.experiment_source import changed_settings
from recgoat_jax.training.ranker_run import BlendExperiment, EaseExperiment, ItemKnnExperiment

TABLES = sorted(path for path in (Path(__file__).parents[2] / "experiments" / "tables").glob("*.py"))
ALONE = {"fusion", "modalities", "id_graph_weight", "user_branch", "contrast_weight", "wasserstein_weight"}
NAIVE = {"fusion", "id_graph_weight", "user_branch", "contrast_weight", "wasserstein_weight"}
CHANGED: dict[str, dict[str, set[str]]] = {
    "ablation": {
        "IDs only": ALONE | {"cold_items"},
        "concatenation": {"fusion", "contrast_weight", "wasserstein_weight"},
        "sum": {"fusion", "contrast_weight", "wasserstein_weight"},
        "contrast alone (CMCL)": {"fusion", "wasserstein_weight"},
        "transport alone (OAT)": {"contrast_weight"},
        "RecGOAT": set(),
    },
    "naive": {
        "IDs only": ALONE | {"cold_items"},
        "IDs and features, concatenated": NAIVE,
        "IDs and features, added": NAIVE,
    },
    "honesty": {
        "no plan (T = 0)": {"transport", "residual", "wasserstein_weight"},
        "no residual (D = 0)": {"residual"},
        "a permutation for the plan": {"transport", "wasserstein_weight"},
        "a linear map for the transport": {"transport", "wasserstein_weight"},
        "noise for the features": {"features"},
        "item graph on IDs, no branches": {"fusion", "contrast_weight", "wasserstein_weight"},
        "LightGCN and the item graph": {
            *("fusion", "contrast_weight", "wasserstein_weight", "id_graph_contrast_weight", "user_branch"),
        },
        "RecGOAT": set(),
    },
    "graph": {
        "LightGCN and the item graph": {
            *("fusion", "contrast_weight", "wasserstein_weight", "id_graph_contrast_weight", "user_branch"),
        },
        "item graph on IDs, no branches": {"fusion", "contrast_weight", "wasserstein_weight"},
        "RecGOAT": set(),
    },
    "users": {
        "no profiles": {"user_branch"},
        "profiles as features": {"user_branch"},
        "user graph alone": {"user_branch"},
        "RecGOAT": set(),
    },
}
"""What each row changes of the full model; on Baby that has "table" for items without pairs and no such contrast."""
OF_SEVERAL_SETTINGS = {
    "main",
    "tuned",
    "best",
    "best_lightgcn",
    "best_ease",
    "memory",
    "wide",
    "softmax",
    "softmax_ease",
}
"""Parts whose rows differ from the full model by more than what a part takes away."""
NAMES = [path.stem for path in TABLES if path.stem not in ("__init__", "rows")]


def test_all_six_sets_have_a_table() -> None:
    assert NAMES == ["baby", "lastfm", "ml_100k", "movielens_1m", "movielens_small", "scientific"]


def test_what_is_built_on_a_tuned_lightgcn_has_its_settings() -> None:
    part = load_table(TABLES[0].parent / "lastfm.py").parts["tuned"]
    lightgcn, plain, recgoat = (row.experiment for row in part.rows)
    for one in (plain, recgoat):
        assert isinstance(one, Experiment)
        assert isinstance(lightgcn, Experiment)
        assert isinstance(one.model, RecGoatConfig)
        assert isinstance(lightgcn.model, LightGcnConfig)
        shared = ("dim", "num_layers", "initialization", "regularization", "regularization_weight")
        assert [getattr(one.model, name) for name in shared] == [getattr(lightgcn.model, name) for name in shared]
        assert (one.optimizer, one.loop, one.data) == (lightgcn.optimizer, lightgcn.loop, lightgcn.data)


def test_the_best_rows_on_baby_differ_from_the_baseline_of_their_width_by_nothing_but_the_model() -> None:
    parts = load_table(TABLES[0].parent / "baby.py").parts
    rows = {row.label: row.experiment for row in parts["best"].rows}
    labels = ["LightGCN, tuned", "LightGCN and the item graph of EASE", "RecGOAT, item graph of EASE"]
    lightgcn, plain, recgoat = (rows[f"{label}, width 256"] for label in labels)
    for one in (plain, recgoat):
        assert isinstance(one, Experiment)
        assert isinstance(lightgcn, Experiment)
        assert isinstance(one.model, RecGoatConfig)
        assert isinstance(lightgcn.model, LightGcnConfig)
        assert (one.model.co_purchase, one.model.contrast_weight) == ("ease", 0.0)
        shared = ("dim", "num_layers", "regularization", "regularization_weight")
        assert [getattr(one.model, name) for name in shared] == [getattr(lightgcn.model, name) for name in shared]
        assert (one.optimizer, one.loop, one.data) == (lightgcn.optimizer, lightgcn.loop, lightgcn.data)
    wide = {row.label: row.experiment for row in parts["wide"].rows}
    assert wide[f"{labels[0]}, width 256"] == lightgcn
    assert [row.label for row in parts["best_lightgcn"].rows] == [
        "EASE with content",
        *(f"{label}, width 256" for label in labels),
    ]
    assert parts["best_lightgcn"].baseline == f"{labels[0]}, width 256"
    assert parts["best_ease"].baseline == "EASE with content"
    assert [row.experiment for row in parts["best_ease"].rows] == [row.experiment for row in parts["best"].rows]
    assert {row.baseline for row in parts["best_ease"].rows} == {None}


def test_where_both_were_searched_the_graph_has_recgoats_settings_and_nothing_else() -> None:
    part = load_table(TABLES[0].parent / "scientific.py").parts["tuned"]
    lightgcn, plain, recgoat = (row.experiment for row in part.rows)
    assert part.baseline == part.rows[0].label
    assert isinstance(lightgcn, Experiment)
    assert isinstance(plain, Experiment)
    assert isinstance(recgoat, Experiment)
    assert isinstance(recgoat.model, RecGoatConfig)
    assert isinstance(lightgcn.model, LightGcnConfig)
    changed = {line.partition(":")[0] for line in changed_settings(recgoat, plain)}
    # The search left the contrast out already.
    fields = CHANGED["graph"]["LightGCN and the item graph"] - {"contrast_weight"}
    assert changed - {"name"} == {f"model.{field}" for field in fields}
    assert lightgcn.data == recgoat.data
    assert lightgcn.loop == recgoat.loop


def test_the_papers_figures_stand_beside_the_rows_of_baby() -> None:
    parts = load_table(TABLES[0].parent / "baby.py").parts
    published = {key: {row.label: row.published for row in parts[key].rows} for key in ("main", "ablation")}
    assert published["main"]["RecGOAT"] == published["ablation"]["RecGOAT"] == (0.0671, 0.0369)
    assert published["main"]["LightGCN, tuned"] is None
    assert published["ablation"]["transport alone (OAT)"] == (0.0623, 0.0346)


@pytest.mark.parametrize(
    ("name", "key", "suffix", "changes"),
    [
        ("baby", "wide", "dim256", {"dim": 256}),
        ("movielens_small", "softmax", "softmax128", {"dim": 128, "ranking": "softmax"}),
        ("lastfm", "softmax", "softmax128", {"dim": 128, "ranking": "softmax"}),
        ("ml_100k", "softmax", "softmax128", {"dim": 128, "ranking": "softmax"}),
    ],
)
def test_other_settings_are_those_of_all_models_of_the_memory_part(
    name: str, key: str, suffix: str, changes: dict[str, int | str]
) -> None:
    parts = load_table(TABLES[0].parent / f"{name}.py").parts
    (_, _, ease, *rows), (ease_again, *others) = parts["memory"].rows, parts[key].rows
    assert ease_again == ease
    if key == "wide":
        rows += _without_contrast(rows[-2:])
    if key == "softmax":
        bpr, trained = others.pop(0), rows[0].experiment
        assert isinstance(trained, Experiment)
        model = replace(trained.model, dim=128)
        assert bpr.experiment == replace(trained, name=f"{trained.name}.dim128", model=model)
    assert parts[key].baseline == others[2 if key == "wide" else 0].label
    assert len(others) == len(rows) == (8 if key == "wide" else 6)
    for before, row in zip(rows, others, strict=True):
        model, changed = (
            one.trained if isinstance(one, BlendExperiment) else one for one in (before.experiment, row.experiment)
        )
        assert isinstance(model, Experiment)
        assert isinstance(changed, Experiment)
        batch_size = 1024 if (name, key) == ("ml_100k", "softmax") else model.loop.batch_size
        assert changed == replace(
            model,
            name=f"{model.name}.{suffix}",
            model=replace(model.model, **changes),
            loop=replace(model.loop, batch_size=batch_size),
        )
        if isinstance(before.experiment, BlendExperiment):
            assert isinstance(row.experiment, BlendExperiment)
            assert row.experiment.name == f"{changed.name}.ease"
            assert row.experiment.beside == ease.experiment
            assert row.baseline == row.label.removesuffix(" + EASE")
        else:
            assert row.label.startswith(f"{before.label}, ")


def _without_contrast(rows: list[TableRow]) -> list[TableRow]:
    """RecGOAT and its sum with EASE, as they are without the contrast of the views."""
    recgoat, blend = (row.experiment for row in rows)
    assert isinstance(recgoat, Experiment)
    assert isinstance(blend, BlendExperiment)
    model = replace(recgoat.model, contrast_weight=0.0)
    less = replace(recgoat, name=f"{recgoat.name}.oat_only", model=model)
    label = "RecGOAT without contrast"
    return [TableRow(label, less), TableRow(f"{label} + EASE", replace(blend, trained=less), baseline=label)]


@pytest.mark.parametrize(
    ("name", "key", "sums"),
    [("scientific", "memory", "sums"), ("baby", "wide", "wide_sums"), ("lastfm", "softmax", "softmax_sums")],
)
def test_sums_are_tested_against_ease_with_content(name: str, key: str, sums: str) -> None:
    parts = load_table(TABLES[0].parent / f"{name}.py").parts
    (ease, *rows), part = parts[sums].rows, parts[key]
    assert parts[sums].baseline == ease.label == "EASE with content"
    assert ease in part.rows
    assert [row.experiment for row in rows] == [row.experiment for row in part.rows if row.label.endswith("+ EASE")]
    assert len(rows) == (4 if key == "wide" else 3)
    assert {row.baseline for row in rows} == {None}


@pytest.mark.parametrize(
    ("name", "key", "alone", "baseline"),
    [
        ("lastfm", "softmax", "softmax_ease", "EASE with content"),
        ("baby", "best", "best_lightgcn", "LightGCN, tuned, width 256"),
    ],
)
def test_models_alone_are_tested_against_another_of_their_rows(name: str, key: str, alone: str, baseline: str) -> None:
    parts = load_table(TABLES[0].parent / f"{name}.py").parts
    assert parts[alone].baseline == baseline
    assert [row.label for row in parts[alone].rows] == [
        row.label for row in parts[key].rows if not row.label.endswith("+ EASE")
    ]
    assert {row.baseline for row in parts[alone].rows} == {None}


@pytest.mark.parametrize("name", NAMES)
def test_rows_differ_in_one_thing_and_baselines_are_as_wide(name: str) -> None:
    table = load_table(TABLES[0].parent / f"{name}.py")
    main = table.parts["main"]
    recgoat = next(row.experiment for row in main.rows if row.label == "RecGOAT")
    beaten = next(row.experiment for row in main.rows if row.label == main.baseline)
    assert isinstance(recgoat, Experiment)
    assert isinstance(beaten, Experiment)
    assert isinstance(recgoat.model, RecGoatConfig)
    assert isinstance(beaten.model, LightGcnConfig)
    assert beaten.model.dim == recgoat.model.dim
    assert {row.experiment.data for part in table.parts.values() for row in part.rows} == {recgoat.data}
    already = {"cold_items"} if recgoat.model.cold_items == "table" else set()
    already |= set() if recgoat.model.id_graph_contrast_weight else {"id_graph_contrast_weight"}
    for key, part in table.parts.items():
        if key in OF_SEVERAL_SETTINGS or key.endswith("sums"):
            continue
        assert (key == "graph") == (part.rows[0].experiment == beaten)
        for row in part.rows:
            if row.experiment == beaten:
                continue
            assert isinstance(row.experiment, Experiment)
            assert (row.experiment.optimizer, row.experiment.loop) == (recgoat.optimizer, recgoat.loop)
            changed = {line.partition(":")[0] for line in changed_settings(recgoat, row.experiment)}
            assert changed - {"name"} == {f"model.{field}" for field in CHANGED[key][row.label] - already}, (
                key,
                row.label,
            )
    items, alone, ease, *rows = table.parts["memory"].rows
    assert isinstance(items.experiment, ItemKnnExperiment)
    assert isinstance(ease.experiment, EaseExperiment)
    assert isinstance(alone.experiment, EaseExperiment)
    assert alone.experiment.content_weights == (0.0,)
    assert replace(alone.experiment, name=ease.experiment.name, content_weights=ease.experiment.content_weights) == (
        ease.experiment
    )
    assert (ease.experiment.neighbors, ease.experiment.modality_shares) == (
        recgoat.model.neighbors,
        recgoat.model.modality_shares,
    )
    assert (rows[0].experiment, rows[4].experiment) == (beaten, recgoat)
    for trained, blend in zip(rows[::2], rows[1::2], strict=True):
        assert isinstance(blend.experiment, BlendExperiment)
        assert blend.experiment.trained == trained.experiment
        assert blend.experiment.beside == ease.experiment
        assert (blend.label, blend.baseline) == (f"{trained.label} + EASE", trained.label)
        assert 0.0 in blend.experiment.weights
    assert [row.label for row in table.parts["ablation"].rows][-1] == "RecGOAT"
    assert len(table.parts["ablation"].rows) == 6
