"""Markdown tables and the cells in them."""

import statistics
from collections.abc import Iterable, Sequence


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    r"""A table; a bar within a cell stays a bar.

    Args:
        head: names of the columns.
        rows: as many cells each.

    Returns:
        Its lines, without a last line break.

    Raises:
        ValueError: a row of another length.

    Example:
        >>> from recgoat_jax.report.markdown import markdown_table
        >>> print(markdown_table(["run", "recall@10"], [["a|b", "0.1"]]))
        | run | recall@10 |
        |---|---|
        | a\|b | 0.1 |
    """
    lines = [_line(head), f"|{'---|' * len(head)}"]
    for cells in rows:
        if len(cells) != len(head):
            raise ValueError(f"a row has {len(cells)} cells, {list(cells)}; expected {len(head)}.")
        lines.append(_line(cells))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def mean_and_spread(values: Sequence[float]) -> str:
    """Mean and standard deviation over seeds, with four decimals; the mean alone for one seed.

    Example:
        >>> from recgoat_jax.report.markdown import mean_and_spread
        >>> mean_and_spread([0.1, 0.2]), mean_and_spread([0.1])
        ('0.1500 ± 0.0707', '0.1000')
    """
    mean = f"{statistics.mean(values):.4f}"
    return f"{mean} ± {statistics.stdev(values):.4f}" if len(values) > 1 else mean


__all__ = ["markdown_table", "mean_and_spread"]
