"""Rows that every table has, made from the experiments of its data set."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from recgoat_jax.models import (
    Ablation,
    BprMfConfig,
    Control,
    MostPopularConfig,
    NaiveFusion,
    RecGoatConfig,
    UserAblation,
    ablation,
    control,
    naive,
    user_ablation,
)
from recgoat_jax.report.result_table import TablePart, TableRow
from recgoat_jax.training import Experiment
from recgoat_jax.training.ranker_run import (
    BlendExperiment,
    ContentKnnExperiment,
    EaseExperiment,
    ItemKnnExperiment,
)

RECGOAT = "RecGOAT"
ID_ONLY = "IDs only"
ABLATIONS: dict[Ablation, str] = {
    "id_only": ID_ONLY,
    "concat": "concatenation",
    "sum": "sum",
    "cmcl_only": "contrast alone (CMCL)",
    "oat_only": "transport alone (OAT)",
    "full": RECGOAT,
}
NAIVE: dict[NaiveFusion, str] = {"concat": "IDs and features, concatenated", "sum": "IDs and features, added"}
GRAPH = "LightGCN and the item graph"
TUNED = "LightGCN, tuned"
EASE_ALONE = "EASE"
EASE = "EASE with content"
BESIDE = (
    f"+ EASE: the scores of '{EASE}' added to those of the trained model, with a weight chosen on validation; "
    "its seconds are those of that choice."
)
PROFILES = "users' profiles, where the data has them"
CONTROLS: dict[Control, str] = {
    "no_plan": "no plan (T = 0)",
    "no_residual": "no residual (D = 0)",
    "permuted_plan": "a permutation for the plan",
    "linear": "a linear map for the transport",
    "random_features": "noise for the features",
    "id_graph": "item graph on IDs, no branches",
}
USERS: dict[UserAblation, str] = {
    "no_profile": "no profiles",
    "features_only": "profiles as features",
    "graph_only": "user graph alone",
    "both": RECGOAT,
}

Published = Mapping[str, tuple[float, float]]
"""Label of a row to the Recall@10 and NDCG@10 that the paper has for it."""


def main_part(
    lightgcn: Experiment,
    recgoat: Experiment,
    *,
    bpr: Experiment | None = None,
    tuned: Experiment | None = None,
    published: Published | None = None,
) -> TablePart:
    """RecGOAT beside its baselines; the best LightGCN is the one to beat.

    Args:
        lightgcn: LightGCN; without ``tuned`` the one to beat.
        recgoat: RecGOAT.
        bpr: BPR-MF; None: with LightGCN's width, penalty, optimiser and loop.
        tuned: a LightGCN of RecGOAT's width and tuning, where ``lightgcn`` is a published setting.
        published: the paper's figures.
    """
    stem = _stem(recgoat)
    known = published or {}
    rows = [
        TableRow("most popular", replace(lightgcn, name=f"most_popular_{stem}", model=MostPopularConfig())),
        TableRow("content kNN", ContentKnnExperiment(f"content_knn_{stem}", recgoat.data)),
        *memory_rows(recgoat),
        TableRow("BPR", bpr or _bpr(lightgcn, stem), known.get("BPR")),
        TableRow("LightGCN", lightgcn, known.get("LightGCN")),
        *([] if tuned is None else [TableRow(TUNED, tuned)]),
        TableRow(RECGOAT, recgoat, known.get(RECGOAT)),
    ]
    return TablePart("RecGOAT beside its baselines", tuple(rows), next(iter(_to_beat(lightgcn, tuned))))


def ablation_part(recgoat: Experiment, *, published: Published | None = None) -> TablePart:
    """The paper's six rows, against the full model.

    Args:
        recgoat: RecGOAT.
        published: the paper's figures.
    """
    known = published or {}
    rows = [
        TableRow(label, _variant(recgoat, name, ablation(_model(recgoat), name)), known.get(label))
        for name, label in ABLATIONS.items()
    ]
    note = f"IDs only: without the item graph on the ID vectors and without {PROFILES}; the other rows have both."
    return TablePart("Ablation", tuple(rows), RECGOAT, note=note)


def naive_part(recgoat: Experiment) -> TablePart:
    """Features fused without alignment, against IDs alone, nothing else in either."""
    alone = TableRow(ID_ONLY, _variant(recgoat, "id_only", ablation(_model(recgoat), "id_only")))
    rows = [
        TableRow(label, _variant(recgoat, f"naive_{name}", naive(_model(recgoat), name)))
        for name, label in NAIVE.items()
    ]
    return TablePart("Naive fusion", (alone, *rows), ID_ONLY, most_seeds=3)


def honesty_part(recgoat: Experiment, *, with_contrast: bool = True) -> TablePart:
    """Does transport help, do features help, against the full model.

    Args:
        recgoat: RecGOAT.
        with_contrast: as in `graph_part`; without, the row without branches is LightGCN and the item graph.
    """
    controls: dict[Control, str] = dict(CONTROLS)
    note = f"{CONTROLS['id_graph']}: it keeps that graph's contrast and {PROFILES}."
    if not with_contrast:
        del controls["id_graph"]
        controls["plain_graph"] = GRAPH
        note = ""
    rows = [
        TableRow(label, _variant(recgoat, name, control(_model(recgoat), name))) for name, label in controls.items()
    ]
    return TablePart("Honesty runs", (*rows, TableRow(RECGOAT, recgoat)), RECGOAT, most_seeds=3, note=note)


def graph_part(
    lightgcn: Experiment, recgoat: Experiment, *, tuned: Experiment | None = None, with_contrast: bool = True
) -> TablePart:
    """From LightGCN over one hop of the item graph to the full model: what the graph adds, and what all else does.

    Args:
        lightgcn: as of `main_part`.
        recgoat: RecGOAT.
        tuned: as of `main_part`.
        with_contrast: whether there are that graph's contrast or users' profiles to tell apart from the graph alone.
    """
    steps: dict[Control, str] = {"plain_graph": GRAPH}
    if with_contrast:
        steps["id_graph"] = CONTROLS["id_graph"]
    rows = [TableRow(label, one) for label, one in _to_beat(lightgcn, tuned).items()]
    rows += [TableRow(label, _variant(recgoat, name, control(_model(recgoat), name))) for name, label in steps.items()]
    note = f"{CONTROLS['id_graph']}: the baseline with that graph's contrast and {PROFILES}." if with_contrast else ""
    return TablePart("From LightGCN to RecGOAT", (*rows, TableRow(RECGOAT, recgoat)), GRAPH, note=note)


def memory_rows(recgoat: Experiment) -> tuple[TableRow, TableRow, TableRow]:
    """Rankers that remember which items go together, without training: two by interactions, one by content as well."""
    stem = _stem(recgoat)
    ease = EaseExperiment.beside(recgoat, f"ease_{stem}")
    alone = replace(ease, name=f"ease_alone_{stem}", content_weights=(0.0,))
    return (
        TableRow("item kNN", ItemKnnExperiment(f"item_knn_{stem}", recgoat.data)),
        TableRow(EASE_ALONE, alone),
        TableRow(EASE, ease),
    )


def memory_part(lightgcn: Experiment, recgoat: Experiment, *, tuned: Experiment | None = None) -> TablePart:
    """What EASE adds to trained models: whether they miss what it remembers. Arguments as of `main_part`."""
    memory = memory_rows(recgoat)
    models = _to_beat(lightgcn, tuned) | _on_the_graph(recgoat)
    rows = (*memory, *_beside(models, memory[-1]))
    return TablePart("Memory of pairs beside trained models", rows, RECGOAT, note=BESIDE)


def sums_part(beside: TablePart, title: str = "The sums against EASE", *, with_models: bool = False) -> TablePart:
    """The sums of a part of models with EASE beside them, tested against EASE in the place of the models.

    Args:
        beside: the part.
        title: heading.
        with_models: whether the models alone are tested as well.
    """
    alone = next(row for row in beside.rows if row.label == EASE)
    kinds = (BlendExperiment, Experiment) if with_models else BlendExperiment
    tested = [replace(row, baseline=None) for row in beside.rows if isinstance(row.experiment, kinds)]
    return TablePart(title, (alone, *tested), EASE, note=beside.note)


def alone_part(beside: TablePart, title: str, baseline: str) -> TablePart:
    """The rows of a part of models with EASE beside them, without the sums, tested against one of them.

    Args:
        beside: the part.
        title: heading.
        baseline: label of that one.
    """
    rows = tuple(row for row in beside.rows if not isinstance(row.experiment, BlendExperiment))
    return TablePart(title, rows, baseline, note=beside.note.removesuffix(BESIDE).strip())


def width_parts(lightgcn: Experiment, recgoat: Experiment, dim: int) -> dict[str, TablePart]:
    """Models at another width, alone and with EASE beside them, which has none; and the sums.

    Args:
        lightgcn: the one to beat.
        recgoat: RecGOAT; it is there without its contrast as well.
        dim: width of all vectors, in numbers.
    """
    ease = memory_rows(recgoat)[-1]
    models = {
        TUNED: lightgcn,
        **_on_the_graph(recgoat),
        f"{RECGOAT} without contrast": _variant(recgoat, "oat_only", ablation(_model(recgoat), "oat_only")),
    }
    wide = {f"{label}, width {dim}": at_width(trained, dim) for label, trained in models.items()}
    note = f"All but the width is as in the other parts. {BESIDE}"
    part = TablePart(f"At width {dim}", (ease, *_beside(wide, ease)), f"{GRAPH}, width {dim}", note=note)
    return {"wide": part, "wide_sums": sums_part(part, f"The sums at width {dim} against EASE")}


def softmax_parts(
    lightgcn: Experiment, recgoat: Experiment, dim: int, *, batch_size: int | None = None
) -> dict[str, TablePart]:
    """The main rows by a softmax over the batch in the place of BPR, alone and with EASE beside them; and the sums.

    Args:
        lightgcn: LightGCN by BPR, as in the main part. By the softmax it is the baseline.
        recgoat: RecGOAT.
        dim: width of all vectors, in numbers, that of LightGCN with BPR as well.
        batch_size: pairs in a batch of the softmax; None: as in the other parts.
    """
    ease = memory_rows(recgoat)[-1]
    bpr = TableRow(f"LightGCN, width {dim}", at_width(lightgcn, dim))
    models = {"LightGCN": lightgcn} | _on_the_graph(recgoat)
    changed = {
        f"{label}, softmax": _with(trained, f"softmax{dim}", batch_size=batch_size, ranking="softmax", dim=dim)
        for label, trained in models.items()
    }
    batch = "the batch" if batch_size is None else f"a batch of {batch_size:,} pairs"
    note = f"Softmax: over {batch}, corrected for popularity. All else but the width is as in the other parts. {BESIDE}"
    title = f"A softmax in the place of BPR, at width {dim}"
    part = TablePart(title, (ease, bpr, *_beside(changed, ease)), next(iter(changed)), note=note)
    return {
        "softmax": part,
        "softmax_ease": alone_part(part, "The models by softmax against EASE", EASE),
        "softmax_sums": sums_part(part, "The sums by softmax against EASE"),
    }


def best_parts(lightgcn: Experiment, recgoat: Experiment, beside: Experiment) -> dict[str, TablePart]:
    """RecGOAT as well as it is known to do, against its own graph, LightGCN of its width, and EASE.

    Args:
        lightgcn: the one to beat, of the same width.
        recgoat: RecGOAT.
        beside: the RecGOAT of the other parts, whose EASE this part has, too.
    """
    ease = memory_rows(beside)[-1]
    dim = _model(recgoat).dim
    graph = f"{GRAPH} of EASE, width {dim}"
    models = {
        f"{TUNED}, width {dim}": lightgcn,
        graph: _plain(recgoat),
        f"{RECGOAT}, item graph of EASE, width {dim}": recgoat,
    }
    note = f"Item graph of EASE: its weights join items in the place of counts; RecGOAT is without contrast. {BESIDE}"
    part = TablePart("At the best settings", (ease, *_beside(models, ease)), graph, note=note)
    return {
        "best": part,
        "best_lightgcn": alone_part(part, "The best settings against LightGCN", f"{TUNED}, width {dim}"),
        "best_ease": sums_part(part, "The best settings against EASE", with_models=True),
    }


def at_width(trained: Experiment, dim: int) -> Experiment:
    """A model at another width, as a run of its own."""
    return _with(trained, f"dim{dim}", dim=dim)


def _to_beat(lightgcn: Experiment, tuned: Experiment | None) -> dict[str, Experiment]:
    """The best LightGCN and its label."""
    return {"LightGCN": lightgcn} if tuned is None else {TUNED: tuned}


def _on_the_graph(recgoat: Experiment) -> dict[str, Experiment]:
    """The models with an item graph and their labels."""
    return {GRAPH: _plain(recgoat), RECGOAT: recgoat}


def _with(trained: Experiment, name: str, *, batch_size: int | None = None, **changes: Any) -> Experiment:
    """A model with other settings, as a run of its own."""
    loop = trained.loop if batch_size is None else replace(trained.loop, batch_size=batch_size)
    return replace(trained, name=f"{trained.name}.{name}", model=replace(trained.model, **changes), loop=loop)


def _plain(recgoat: Experiment) -> Experiment:
    return _variant(recgoat, "plain_graph", control(_model(recgoat), "plain_graph"))


def _beside(models: Mapping[str, Experiment], ease: TableRow) -> list[TableRow]:
    """Each trained model, and the same with EASE, tested against the model itself."""
    assert isinstance(ease.experiment, EaseExperiment)
    rows = []
    for label, trained in models.items():
        rows.append(TableRow(label, trained))
        blend = BlendExperiment(f"{trained.name}.ease", trained, ease.experiment)
        rows.append(TableRow(f"{label} + EASE", blend, baseline=label))
    return rows


def standard_parts(
    lightgcn: Experiment,
    recgoat: Experiment,
    *,
    bpr: Experiment | None = None,
    tuned: Experiment | None = None,
    published: Published | None = None,
    graph_contrast: bool = True,
) -> dict[str, TablePart]:
    """The parts that a data set of any kind has. Arguments as of `main_part` and `graph_part`."""
    memory = memory_part(lightgcn, recgoat, tuned=tuned)
    parts = {
        "main": main_part(lightgcn, recgoat, bpr=bpr, tuned=tuned, published=published),
        "ablation": ablation_part(recgoat, published=published),
        "naive": naive_part(recgoat),
        "honesty": honesty_part(recgoat, with_contrast=graph_contrast),
        "graph": graph_part(lightgcn, recgoat, tuned=tuned, with_contrast=graph_contrast),
        "memory": memory,
        "sums": sums_part(memory),
    }
    labels = {row.label for part in parts.values() for row in part.rows}
    assert set(published or ()) <= labels, f"no rows for {sorted(set(published or ()) - labels)}"
    return parts


def tuned_part(lightgcn: Experiment, recgoat: Experiment, *, searched: bool = False) -> TablePart:
    """LightGCN as a search chose it, RecGOAT, and its item graph alone.

    Args:
        lightgcn: the best of the search.
        recgoat: RecGOAT with the settings that the two share.
        searched: whether ``recgoat`` is the best of a search of its own instead, of as many trials.
    """
    if searched:
        title, graph, model = "Both searched", "at RecGOAT's settings", "tuned"
        note = "Each is the best on validation of a search of its own, of as many trials; one seed was searched."
    else:
        title, graph, model = "At LightGCN's best settings", "at these settings", "at these settings"
        note = "Width, depth, penalty and learning rate are those that a search on validation chose for LightGCN."
    rows = (
        TableRow(TUNED, lightgcn),
        TableRow(f"{GRAPH}, {graph}", _plain(recgoat)),
        TableRow(f"{RECGOAT}, {model}", recgoat),
    )
    return TablePart(title, rows, TUNED, note=note)


def users_part(recgoat: Experiment) -> TablePart:
    """The user side, against the full model."""
    rows = [
        TableRow(label, _variant(recgoat, name, user_ablation(_model(recgoat), name))) for name, label in USERS.items()
    ]
    return TablePart("User side", tuple(rows), RECGOAT, most_seeds=3)


def _variant(recgoat: Experiment, name: str, model: RecGoatConfig) -> Experiment:
    """RecGOAT with other settings; unchanged ones keep the name, and with it the runs."""
    if model == recgoat.model:
        return recgoat
    return replace(recgoat, name=f"{recgoat.name}.{name}", model=model)


def _bpr(beside: Experiment, stem: str) -> Experiment:
    model = beside.model
    assert not isinstance(model, MostPopularConfig)
    bpr = BprMfConfig(
        dim=model.dim,
        initialization=model.initialization,
        regularization=model.regularization,
        regularization_weight=model.regularization_weight,
    )
    return replace(beside, name=f"bpr_{stem}", model=bpr)


def _model(experiment: Experiment) -> RecGoatConfig:
    assert isinstance(experiment.model, RecGoatConfig)
    return experiment.model


def _stem(experiment: Experiment) -> str:
    """Name of the data set in the names of its experiments."""
    return experiment.name.partition("_")[2]
