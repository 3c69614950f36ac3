"""A real language model behind a real server, through `recgoat features`; `make test-llm` runs it."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from experiments.llm_profiles import MODEL, NUM_USERS, through_the_whole_path, transcript
from recgoat_jax.data import read_dataset
from recgoat_jax.data.feature_files import read_features
from recgoat_jax.encoders.profiles import read_profiles
from recgoat_jax.encoders.recipes import ExampleData

pytestmark = pytest.mark.llm


def test_profiles_of_a_real_model(tmp_path: Path) -> None:
    python = Path(os.environ["RECGOAT_LLM_PYTHON"]).absolute()
    said = through_the_whole_path(python, tmp_path)
    (tmp_path / "transcript.md").write_text(transcript(said, tmp_path))
    estimate, made, again, features = said
    # Without consent nothing is sent.
    assert estimate.code == 2
    assert "nothing was sent" in estimate.output

    assert made.code == 0, made.output
    dataset = read_dataset(tmp_path / ExampleData().directory)
    profiles = read_profiles(tmp_path / "users.jsonl")
    assert MODEL in profiles.encoder
    assert set(profiles.texts) <= set(dataset.users.ids[:NUM_USERS])
    # A model as small as this may miss the form twice for a user, who then has no profile; not for most of them.
    assert len(profiles.texts) > NUM_USERS / 2, made.output
    assert all(len(text) > 3 for text in profiles.texts.values())
    assert json.loads((tmp_path / "users.leaks.json").read_text())

    # What was answered is not asked again.
    assert again.code == 0, again.output
    if len(profiles.texts) == NUM_USERS:
        assert "nothing to do" in again.output

    assert features.code == 0, features.output
    table = read_features(tmp_path / "user_text.npz")
    present = np.ones(len(table.ids), bool) if table.present is None else table.present
    assert present.sum() == len(profiles.texts)
    lengths = np.linalg.norm(table.values[present], axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-5)
