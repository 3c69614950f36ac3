"""Pages of a study in Markdown: its budget and best trials; and its test figures, once it is unblinded."""

from typing import Any

from recgoat_jax.report.markdown import markdown_table
from recgoat_jax.training.study_record import StudyRecord
from recgoat_jax.training.unblind import RankCorrelation, Unblinded

_SHOWN = 5


def study_page(record: StudyRecord) -> str:
    """The budget, the space, the best trials on validation, and what failed.

    Args:
        record: the study.

    Returns:
        Markdown.
    """
    config = record.config
    prune = (
        "No trial ends early."
        if config.pruner == "none"
        else f"A trial ends early where its best value is below the median of the others after as many epochs, from "
        f"epoch {config.warmup_epochs} and the trial after {config.complete_trials} that ended by themselves."
    )
    limit = (
        "No limit of time."
        if config.minutes is None
        else f"No trial began after {config.minutes:g} minutes of the latest start."
    )
    lines = [
        f"# Search on `{record.name}`",
        "",
        f"Validation {record.metric}, by optuna {record.optuna} (TPE, multivariate, seed {config.seed}). {prune} Test "
        "figures were not read.",
        "",
        f"**Budget**: {len(record.trials)} of {config.trials} trials ({record.count('complete')} complete, "
        f"{record.count('pruned')} pruned, {record.count('failed')} failed), {record.minutes:.1f} minutes of training "
        f"and validation. {limit}",
        "",
        "## Best on validation",
        "",
        *_best(record),
        "## Space",
        "",
        *_space(record),
    ]
    failed = [one for one in record.trials if one.state == "failed"]
    if failed:
        lines += ["## Failed", "", *(f"- trial {one.number}: {one.reason}" for one in failed), ""]
    return "\n".join(lines).rstrip() + "\n"


def _best(record: StudyRecord) -> list[str]:
    shown = record.valued[:_SHOWN]
    names = list(record.space)
    header = ["trial", record.metric, "epoch", "epochs", "seconds", *(f"`{name}`" for name in names)]
    rows = [
        [
            str(one.number) + (" (pruned)" if one.state == "pruned" else ""),
            _number(one.value),
            str(one.best_epoch),
            str(one.epochs),
            f"{one.seconds or 0.0:.0f}",
            *(_number(one.params.get(name, "-")) for name in names),
        ]
        for one in shown
    ]
    return [markdown_table(header, rows), ""] if rows else ["No trial has a value yet.", ""]


def _space(record: StudyRecord) -> list[str]:
    if not record.space:
        return ["No trial has drawn from it yet.", ""]
    header = ["setting", "values"]
    rows = [[f"`{name}`", values] for name, values in record.space.items()]
    if record.importances:
        header.append("importance")
        # A setting that some trials were not asked for has none.
        shares = {name: f"{share:.2f}" for name, share in record.importances.items()}
        rows = [[*row, shares.get(name, "-")] for row, name in zip(rows, record.space, strict=True)]
    lines = [markdown_table(header, rows), ""]
    if record.importances:
        lines += ["Importance: share of what decides whether a trial is among the best tenth (PED-ANOVA).", ""]
    return lines


def unblinded_page(found: Unblinded) -> str:
    """Validation against test of every trial, the rank correlation, and what choosing on validation lost.

    Args:
        found: the unblinded study.

    Returns:
        Markdown.
    """
    ranks = {one.number: rank for rank, one in enumerate(sorted(found.trials, key=lambda one: -one.test), start=1)}
    chosen, best = found.chosen, found.best
    relative = 100 * found.regret / best.test if best.test else 0.0
    rows = [
        [
            str(one.number) + (" (pruned)" if one.state == "pruned" else ""),
            f"{one.valid:.4f}",
            f"{one.test:.4f}",
            str(place),
            str(ranks[one.number]),
        ]
        for place, one in enumerate(found.trials, start=1)
    ]
    return "\n".join(
        [
            f"# Validation against test: `{found.name}`",
            "",
            f"Validation chose trial {chosen.number}: {found.metric} {chosen.valid:.4f} on validation, "
            f"{chosen.test:.4f} on test, rank {ranks[chosen.number]} of {len(found.trials)} there. The best on test is "
            f"trial {best.number} with {best.test:.4f}: choosing on validation lost {found.regret:.4f} "
            f"({relative:.1f} %). The best of many test values is flattered by chance: the loss is likely smaller.",
            "",
            f"Spearman's rank correlation: {_correlation(found.correlation)}; without the trials that ended early, "
            f"{_correlation(found.complete)}.",
            "",
            *([f"Not finished, and left out: {', '.join(found.unfinished)}.", ""] if found.unfinished else []),
            "These figures close the study: it takes no further trials. A table shows the chosen trial's, no other.",
            "",
            markdown_table(["trial", "validation", "test", "rank on validation", "rank on test"], rows),
            "",
        ]
    )


def _correlation(found: RankCorrelation) -> str:
    value = "not defined" if found.rho is None else f"{found.rho:.2f}"
    return f"{value} over {found.trials} trials"


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


__all__ = ["study_page", "unblinded_page"]
