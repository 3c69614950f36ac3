"""``recgoat doctor``: what it finds, and what it says where something is missing."""

import json
from pathlib import Path

import pytest

from recgoat_jax.cli.doctor import DoctorCommand, diagnose, render
from recgoat_jax.cli.main import main
from recgoat_jax.training.environment import environment
from recgoat_jax.training.mesh import RULES


def test_json_holds_the_environment_and_the_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RECGOAT_CACHE", str(tmp_path / "not" / "yet"))
    assert main(["doctor", "--json", "--data", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert environment().items() <= found.items()
    assert found["shared_data"] == str(tmp_path)
    assert found["cache"] == str(tmp_path / "not" / "yet")
    assert all(free > 0 for free in found["disk_free_gb"].values())
    assert not (tmp_path / "not").exists(), "doctor changes nothing"


def test_text_names_every_package_and_extra(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--data", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    found = environment()
    for name, version in found["packages"].items():
        assert f"{name:<22}{version}" in text
    for extra in found["extras"]:
        assert f"\n  {extra} " in text
    assert str(tmp_path) in text


def test_what_is_missing_is_said_with_its_remedy(tmp_path: Path) -> None:
    found = diagnose(DoctorCommand(data=tmp_path / "absent"))
    assert found["shared_data"] is None
    found |= {
        "extras": {"data": {"pooch": None}},
        "packages": {"jax": None},
        "example_data": None,
        "backend": None,
        "devices": {},
        "backend_error": "no such platform",
        "commit": None,
    }
    text = render(found)
    assert "pip install 'recgoat-jax[data]'" in text
    assert f"{'jax':<22}MISSING" in text
    assert "pip install --no-deps recbole==1.2.1" in text
    assert "no device: no such platform" in text
    assert "shared data   absent: " in text
    assert "RECGOAT_DATA" in text


def test_a_mesh_is_shown_with_its_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--data", str(tmp_path), "--mesh", "data=4,rows=2"]) == 0
    text = capsys.readouterr().out
    assert "mesh          data=4,rows=2, 8 devices: --mesh data=4,rows=2: 8 devices are asked for, there are 1" in text
    assert "examples of a batch    1/8 on each device" in text
    for rule in RULES:
        line = next(line for line in text.splitlines() if line.strip().startswith(rule.pattern))
        assert line.endswith(f"{rule.vocabulary}: 1/2 on each device")
    assert text.splitlines()[-1].split() == ["everything", "else", *["whole", "on", "every", "device"]]
    assert main(["doctor", "--data", str(tmp_path), "--mesh", "data=1", "--json"]) == 0
    mesh = json.loads(capsys.readouterr().out)["mesh"]
    assert (mesh["shape"], mesh["problem"], len(mesh["rules"])) == ("data=1,rows=1", None, len(RULES))
    assert main(["doctor", "--mesh", "model=2"]) == 2
    assert "found the axis 'model'" in capsys.readouterr().err


def test_help_ends_well_and_a_wrong_option_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as helped:
        main(["doctor", "--help"])
    assert helped.value.code == 0
    assert "--json" in capsys.readouterr().out
    with pytest.raises(SystemExit) as wrong:
        main(["doctor", "--jsno"])
    assert wrong.value.code == 2
