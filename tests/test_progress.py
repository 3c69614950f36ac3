import io
import sys

import pytest

from recgoat_jax.progress import ProgressLine


class CellOutput(io.StringIO):
    """What a notebook writes to: no terminal."""

    __module__ = "ipykernel.iostream"


@pytest.mark.parametrize(
    ("stream", "written"),
    [(CellOutput(), "\rrun: half\rrun: done\n"), (io.StringIO(), "run: half\nrun: done\n")],
    ids=["notebook", "file"],
)
def test_a_notebook_gets_one_live_line(stream: io.StringIO, written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    line = ProgressLine("run")
    line.show("half")
    line.show("done", final=True)
    assert stream.getvalue() == written
