"""The stand-in against the real tools, where they are installed: they have the flags that it lets pass."""

import re
import shutil
import subprocess

import pytest

from tests.tpu_scripts.flags import GCLOUD, KUBECTL, XPK, Command

CASES = [(tool, path, taken) for tool, all_ in (("gcloud", GCLOUD), ("xpk", XPK)) for path, taken in all_.items()]
CASES += [("kubectl", path, taken) for path, taken in KUBECTL.items()]


@pytest.mark.slow
@pytest.mark.parametrize(("tool", "path", "taken"), CASES, ids=[" ".join((tool, *path)) for tool, path, _ in CASES])
def test_flags(tool: str, path: tuple[str, ...], taken: Command) -> None:
    program = shutil.which(tool)
    if program is None:
        pytest.skip(f"no {tool} here")
    help_text = subprocess.run([program, *path, "--help"], capture_output=True, text=True, check=False).stdout
    if tool == "kubectl":
        help_text += subprocess.run([program, "options"], capture_output=True, text=True, check=True).stdout
    known = set(re.findall(r"--([a-z][-a-z]*)", re.sub(r"\x1b\[[0-9;]*m", "", help_text)))
    assert taken.values | taken.switches <= known
