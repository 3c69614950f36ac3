"""The figures of a run as one HTML page that loads nothing: pictures are within it."""

import base64
from collections.abc import Mapping, Sequence
from html import escape

from recgoat_jax.report.page_style import html_page
from recgoat_jax.report.run_figures import Drawn, LeftOut
from recgoat_jax.serving.run import Run

_PAGE_SCALE = 0.6
"""Width of a picture on a wide page, in pixels of the page a pixel of the picture."""

_LEAST_WIDTH = "38rem"
"""Below it writing in a picture would be too small to read: on a narrow page it scrolls within its frame."""


def report_page(run: Run, figures: Sequence[Drawn | LeftOut], *, command: str, others: Sequence[Run] = ()) -> str:
    """Makes the page.

    Args:
        run: the run that the figures are of.
        figures: what was drawn and what was not, in order.
        command: the command that drew them, for the captions.
        others: further seeds that are drawn beside it.

    Returns:
        HTML, with every figure, its caption, its sources and the command.
    """
    drawn = [one for one in figures if isinstance(one, Drawn)]
    left_out = [one for one in figures if isinstance(one, LeftOut)]
    parts = [_facts(run, command, others), *(_figure(one, command) for one in drawn)]
    if left_out:
        rows = {one.title: one.reason for one in left_out}
        parts.append(f"<section><h2>Not drawn</h2>{_table(rows)}</section>")
    result = run.result
    about = f"{result['model']} on {result['dataset_name']} ({result['protocol']}), seed {result['seed']}"
    if others:
        about += f"; beside it seeds {', '.join(str(one.result['seed']) for one in others)}"
    footer = "All items are ranked in validation and test; the epoch is chosen on validation."
    return html_page(f"Report of {run.name}", about=about, main="\n".join(parts), footer=footer)


def _facts(run: Run, command: str, others: Sequence[Run]) -> str:
    result = run.result
    facts = {
        "Run": str(run.directory),
        "Further seeds": ", ".join(str(one.directory) for one in others),
        "Data": f"{result['dataset_name']}, hash {str(result['dataset'])[:12]}",
        "Epochs": f"{result['epochs']}, number {result['best_epoch']} chosen",
        "Training time": f"{result['seconds']} s",
        "Commit": str(result["commit"] or "unknown"),
        "Command": command,
    }
    return (
        f"<section><h2>Run</h2>{_table({name: text for name, text in facts.items() if text})}"
        "<h3>Metrics <span>means over users, at each cut-off</span></h3>"
        f"{_metrics(result['valid'], result['test'])}</section>"
    )


def _metrics(valid: Mapping[str, float], test: Mapping[str, float]) -> str:
    """Metrics by rows, validation and test at each cut-off by columns."""
    names = list(dict.fromkeys(key.partition("@")[0] for key in (*test, *valid)))
    columns = [(split, key) for split in ("valid", "test") for key in dict.fromkeys(k.partition("@")[2] for k in test)]
    head = "".join(f"<th>{split} @{escape(k)}</th>" for split, k in columns)
    body = ""
    for name in names:
        cells = [{"valid": valid, "test": test}[split].get(f"{name}@{k}") for split, k in columns]
        shown = "".join(f"<td>{'' if value is None else f'{value:.4f}'}</td>" for value in cells)
        body += f"<tr><th>{escape(name)}</th>{shown}</tr>"
    return f'<div class="scroll"><table><tr><th></th>{head}</tr>{body}</table></div>'


def _figure(one: Drawn, command: str) -> str:
    sources = ", ".join(f"<code>{escape(source)}</code>" for source in one.sources)
    content = one.png.read_bytes()
    address = "data:image/png;base64," + base64.b64encode(content).decode("ascii")
    width = round(int.from_bytes(content[16:20], "big") * _PAGE_SCALE)
    picture = (
        f'<img src="{address}" width="{width}" style="min-width:min({width}px,{_LEAST_WIDTH})" '
        f'alt="{escape(one.title)}">'
    )
    note = (
        f"From {sources} of the run, by <code>{escape(command)}</code>; also in <code>{escape(one.png.name)}</code> "
        f"and <code>{escape(one.pdf.name)}</code>."
    )
    return (
        f'<section><h2>{escape(one.title)}</h2><figure><div class="scroll">{picture}</div>'
        f'<figcaption>{escape(one.caption)}<p class="note">{note}</p></figcaption></figure></section>'
    )


def _table(rows: Mapping[str, str]) -> str:
    body = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows.items())
    return f'<div class="scroll"><table>{body}</table></div>'


__all__ = ["report_page"]
