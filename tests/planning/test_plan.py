"""Plans of small programs on the CPU device of this process: what fits, what does not, what is said of it."""

import json
from dataclasses import replace
from pathlib import Path

import jax
import jaxtyping
import pytest

from recgoat_jax.cli import plan as command
from recgoat_jax.cli.main import main
from recgoat_jax.errors import UsageError
from recgoat_jax.planning.chips import Chip, Topology
from recgoat_jax.planning.compiled import Compiled
from recgoat_jax.planning.estimate import estimated
from recgoat_jax.planning.hlo import Collective
from recgoat_jax.planning.work import Work

CHIP = Chip("v5e", 1.0, 100.0, 10.0, 1.0, 16, (0.5, 2.0), 1, 2)
SIZES = ("--users", "6_000", "--items", "500", "--edges", "40_000", "--global-batch", "64", "--dim", "8", "--only-step")


def small_topology(name: str, chips: dict[str, Chip]) -> Topology:
    """A slice of one chip that is this machine, with little memory where the name says so."""
    chip = replace(CHIP, hbm_gib=2.0**-12 if name.startswith("small") else 1.0)
    return Topology(name, chip, (1, 1), 1, jax.devices("cpu"))


@pytest.fixture(autouse=True)
def _shapes_in_the_place_of_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan fills the classes of a run with shapes, which the checks of types refuse."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def test_facts_and_estimates_stand_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "find_topology", small_topology)
    out = tmp_path / "plan.json"
    assert main(["plan", "bpr", "--topology", "large:1x1", *SIZES, "--json", str(out)]) == 0
    said = capsys.readouterr().out
    facts, estimates = said.split("ESTIMATED: not measured")
    for fact in (
        "COMPILED",
        "6,000 users, 500 items, 40,000 training pairs, 64 examples a step",
        "of 1.00 GiB",
        "flops",
    ):
        assert fact in facts
    assert "dollars" not in facts
    assert " s  " not in facts
    for estimate in ("products", "memory traffic", "interconnect", "bound by", "a step", "625 steps", "dollars"):
        assert estimate in estimates
    found = json.loads(out.read_text())
    assert found["fits"]
    assert found["refused"] is None
    step, estimate = found["compiled"]["step"], found["estimated"]
    # Two tables with two moments each are there before the step and after it.
    assert step["arguments"] >= 3 * 4 * 8 * (6_000 + 500)
    assert step["peak"] == step["arguments"] + step["outputs"] + step["temporaries"] + step["code"]
    assert ["params/user_table", 6_000 * 8 * 4] in found["largest_arguments"]
    assert estimate["steps"] == 625
    low, high = estimate["step"]
    assert estimate["epoch"] == pytest.approx([625 * low, 625 * high])
    assert estimate["dollars"] == pytest.approx([625 * low / 3600 * 0.5, 625 * high / 3600 * 2.0])


def test_what_does_not_fit_is_named_with_the_flags_that_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sweep: the second slice suffices; the table has both, and the figure is drawn."""
    monkeypatch.setattr(command, "find_topology", small_topology)
    out, figure = tmp_path / "plans.json", tmp_path / "scaling"
    words = ["--sweep", "small:1x1", "large:1x1", "--json", str(out), "--figure", str(figure)]
    assert main(["plan", "bpr", *SIZES, *words]) == 5
    said = capsys.readouterr().out
    assert "DOES NOT FIT" in said
    assert "GiB are needed, a chip has 0.00 GiB" in said
    small, large = json.loads(out.read_text())
    assert (small["fits"], large["fits"]) == (False, True)
    advice = small["refused"]["advice"]
    assert any(line.startswith("--topology with more chips") for line in advice)
    assert any(line.startswith("--global-batch 32: half") for line in advice)
    assert any(line.startswith("--dim") for line in advice)
    for line in advice:
        assert line in said
    assert "0.2 MiB  params/user_table" in said
    rows = [line for line in said.splitlines() if line.startswith(("| small", "| large"))]
    assert ["| no |" in row for row in rows] == [True, False]
    assert figure.with_suffix(".png").exists()
    assert str(figure.with_suffix(".pdf")) in said


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["bpr", *SIZES], 2, "expected --topology SLICE, or --sweep"),
        (["bpr", "--topology", "v9:4x4", *SIZES], 2, "v9:4x4: unknown; expected one of v4:2x2x1"),
        (["bpr", "--topology", "cpu:1", "--users", "5"], 2, "expected --users, --items and --edges"),
        (["bpr", "--topology", "cpu:1", *SIZES, "--mesh", "data=3"], 2, "3 devices are asked for, there are 1"),
        (["bpr", "--topology", "cpu:1", *SIZES, "--users", "0"], 2, "users is 0; expected 1 or more"),
        (["most-popular", "--topology", "cpu:1", *SIZES], 2, "--dim 8: MostPopularConfig has no width"),
        (["nothing.py", "--topology", "cpu:1", *SIZES], 2, "nothing.py"),
        (["bpr", "--topology", "cpu:1", *SIZES, "--chips", "no.toml"], 3, "no.toml: found no readable file"),
    ],
)
def test_bad_input(words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *words]) == code
    assert message in capsys.readouterr().err


def test_without_the_extra_the_exit_code_is_4(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("recgoat_jax.planning.chips.find_spec", lambda name: None)
    assert main(["plan", "bpr", "--topology", "v5e:4x4", *SIZES]) == 4
    assert "'libtpu' is not installed. Install it with: pip install 'recgoat-jax[tpu]'" in capsys.readouterr().err


def test_a_batch_smaller_than_the_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "find_topology", small_topology)
    monkeypatch.setattr("recgoat_jax.planning.plan.make_mesh", lambda shape, devices: type("Mesh", (), {"size": 65}))
    with pytest.raises(UsageError, match="64 examples a step for 65 devices; .*--global-batch 65 or more"):
        command.run(command.PlanCommand("bpr", topology="x", users=9, items=9, edges=9, global_batch=64))


def test_the_estimate_is_a_roofline() -> None:
    sent = (Collective("all-to-all", 1, 4, 2e9), Collective("all-reduce", 3, 4, 1e9))
    step = Compiled(10, 20, 30, 40, 50, sent, flops=1.0, bytes_accessed=60e9, seconds=1.0)
    assert step.peak == 100
    topology = Topology("v5e:2x2", CHIP, (2, 2), 4, [])
    found = estimated(Work(1.0, 50e12, 20e9), step, topology, 3600)
    # 100e12 operations and 10e9 bytes a second. Of the exchange two chips send 2/3 of 2e9 to the other half, over two
    # links of 1e9 a second; of the sum each chip sends 1e9 over two links.
    assert (found.compute, found.memory) == (0.5, 2.0)
    assert found.interconnect == pytest.approx(4 / 3 + 0.5)
    assert found.bound == "memory"
    assert found.step == pytest.approx((2.0, 0.5 + 6.0 + 4 / 3 + 0.5))
    assert found.epoch == pytest.approx((7200, 3600 * found.step[1]))
    assert found.dollars == pytest.approx((2 * 4 * 0.5, found.step[1] * 4 * 2.0))
    shared = estimated(Work(1.0, 50e12, 20e9), step, topology._replace(chip=replace(CHIP, devices=2)), 1)
    assert (shared.compute, shared.memory) == (1.0, 4.0)
