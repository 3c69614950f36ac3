"""Chips and slices: the table, and names that mean nothing."""

import re
from pathlib import Path

import jax
import pytest

from recgoat_jax.errors import DataError, MissingExtraError, UsageError
from recgoat_jax.planning import chips as chips_module
from recgoat_jax.planning.chips import TABLE, find_topology, read_chips

CHIPS = read_chips()


def test_the_table_is_whole() -> None:
    assert set(CHIPS) == {"v4", "v5e", "v5p", "v6e"}
    for chip in CHIPS.values():
        low, high = chip.price
        assert 0 < low < high
        assert chip.capacity == chip.hbm_gib * 2**30 / chip.devices


def test_an_edited_table_is_read(tmp_path: Path) -> None:
    table = tmp_path / "mine.toml"
    table.write_text(TABLE.read_text().replace("[0.54, 1.20]", "[0.10, 0.20]"))
    assert read_chips(table)["v5e"].price == (0.10, 0.20)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, "no readable file"),
        ("[v5e\n", "something else"),
        ("[v5e]\nhbm_gib = 1.0\nprice = [1.0, 2.0]\n", "something else (.*missing"),
        ("[v5e]\nhbm_gib = 1.0\n", "something else ('price')"),
    ],
)
def test_what_is_no_table(tmp_path: Path, text: str | None, found: str) -> None:
    table = tmp_path / "chips.toml"
    if text is not None:
        table.write_text(text)
    with pytest.raises(DataError) as caught:
        read_chips(table)
    assert re.search(re.escape(found).replace(r"\.\*", ".*"), str(caught.value))
    assert str(table) in str(caught.value)
    assert f"Copy {TABLE}" in str(caught.value)


@pytest.mark.parametrize("name", ["v5x:4x4", "tpu", "", "v5litepod-16"])
def test_an_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_topology(name, CHIPS)
    for known in ("v4:2x2x1", "v5e:16x16", "v5p:8x8x16", "v6e:4x4", "cpu:N"):
        assert known in str(caught.value)


@pytest.mark.parametrize("name", ["v5e", "v5e:16", "v5e:4x4x4", "v5p:4x4", "v5e:0x4", "v5e:-2x2", "v5e:axb"])
def test_an_impossible_shape_says_what_is_expected(name: str) -> None:
    with pytest.raises(UsageError, match=rf"--topology {name}: found the shape '.*'; expected [23] sizes, such as v5"):
        find_topology(name, CHIPS)


@pytest.mark.parametrize("name", ["cuda:8", "gpu:h100", "rocm:1"])
def test_gpus_are_refused_with_the_reason(name: str) -> None:
    with pytest.raises(UsageError, match="JAX compiles ahead of time for GPUs on machines that have one"):
        find_topology(name, CHIPS)


def test_without_the_compiler_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chips_module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'recgoat-jax\[tpu\]'") as caught:
        find_topology("v5e:4x4", CHIPS)
    assert caught.value.exit_code == 4


def test_devices_of_this_process() -> None:
    found = find_topology("cpu:1", CHIPS)
    assert (found.name, found.chip, found.chips) == ("cpu:1", None, 1)
    assert found.devices == jax.devices("cpu")
    with pytest.raises(UsageError, match="has 1 CPU devices; .*xla_force_host_platform_device_count=8"):
        find_topology("cpu:8", CHIPS)
