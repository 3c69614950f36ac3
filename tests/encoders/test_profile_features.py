"""Profiles in words become features of their users, or items, by id."""

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from recgoat_jax.data import Vocabulary
from recgoat_jax.data.dataset import Interactions
from recgoat_jax.data.feature_files import read_features
from recgoat_jax.data.feature_match import match_features
from recgoat_jax.encoders.attach import attach_features
from recgoat_jax.encoders.profile_features import NO_PROFILE, make_profile_features
from recgoat_jax.encoders.profiles import profile_table, read_profiles, split_hash, write_profiles
from recgoat_jax.encoders.tfidf import TfidfSvd
from recgoat_jax.errors import DataError, UsageError
from recgoat_jax.models import Batch, RecGoat, RecGoatConfig
from tests.worlds import blocks

DATASET = blocks()
TEXTS = {"u4": "Likes tea and tea.", "u0": "Likes jam.", "u7": "Loves jam, no tea."}


@dataclass
class Teas:
    """How often tea and jam are named."""

    name: str = "teas"
    revision: str = "2"
    pooling: str = "sum"
    max_length: int | None = None
    seen: list[str] = field(default_factory=list)

    def encode(self, texts):
        self.seen += texts
        return np.array([[text.count("tea"), text.count("jam")] for text in texts], np.float32)


def table(texts=TEXTS, dataset=DATASET, kind="user", **options):
    return profile_table(dataset, texts, **({"kind": kind, "encoder": "test", "revision": "r1"} | options))


def test_rows_are_found_by_id_and_users_without_a_profile_are_masked(tmp_path):
    out, encoder = tmp_path / "text.npz", Teas()
    report = make_profile_features(DATASET, table(), encoder, out=out, chunk_size=2)
    assert (report.kind, report.rows, report.present, report.missing) == ("user", 12, 3, {NO_PROFILE: 9})
    shuffled = replace(
        DATASET,
        users=Vocabulary(DATASET.users.ids[::-1], kind="user"),
        train=Interactions(11 - DATASET.train.users[::-1], DATASET.train.items[::-1]),
    )
    for dataset, rows in ((DATASET, [0, 4, 7]), (shuffled, [11, 7, 4])):
        attached = attach_features(dataset, user_features=(("text", out),))
        found = attached.dataset.user_features["text"]
        assert np.flatnonzero(found.present).tolist() == sorted(rows)
        assert found.values[rows].tolist() == [[0, 1], [2, 0], [1, 1]]
    assert make_profile_features(DATASET, table(), encoder, out=out).encoded == 0
    assert len(encoder.seen) == 3


def test_the_card_says_what_wrote_the_profiles(tmp_path):
    made = table()
    write_profiles(made, tmp_path / "users.jsonl")
    make_profile_features(DATASET, read_profiles(tmp_path / "users.jsonl"), Teas(), out=tmp_path / "text.parquet")
    card = read_features(tmp_path / "text.parquet").card
    assert card is not None
    assert (card.kind, card.encoder, card.revision, card.pooling) == ("user", "teas", "2", "sum")
    assert (card.dataset_hash, card.train_pairs) == (DATASET.manifest.hash, split_hash(DATASET))
    assert card.source == f"profiles of 'blocks' by test, {made.date} (r1)"
    # As `sha256sum users.jsonl` says.
    assert card.source_hash == hashlib.sha256((tmp_path / "users.jsonl").read_bytes()).hexdigest()
    assert card.source_hash[:12] in card.settings
    with pytest.raises(UsageError, match="other source_hash, inputs"):
        make_profile_features(DATASET, table({"u1": "Tea."}), Teas(), out=tmp_path / "text.parquet")


def test_a_run_on_another_split_refuses_profiles_and_their_features(tmp_path):
    out = tmp_path / "text.npz"
    make_profile_features(DATASET, table(), Teas(), out=out)
    other = blocks(seed=1)
    with pytest.raises(DataError, match="training pairs .*; expected those of 'blocks'"):
        make_profile_features(other, table(), Teas(), out=tmp_path / "other.npz")
    assert not (tmp_path / "other.npz").exists()
    with pytest.raises(DataError, match="features made from the training pairs"):
        attach_features(other, user_features=(("text", out),))


def test_a_profile_of_an_unknown_user_is_named(tmp_path):
    stranger = replace(table(), texts=TEXTS | {"nobody": "Likes fog."})
    with pytest.raises(DataError, match="found 1 ids that 'blocks' does not have, for example 'nobody'"):
        make_profile_features(DATASET, stranger, Teas(), out=tmp_path / "text.npz")
    assert list(tmp_path.iterdir()) == []


def test_profiles_of_items_are_features_of_items_on_any_split(tmp_path):
    out = tmp_path / "text.npz"
    report = make_profile_features(DATASET, table({"i3": "A tea pot."}, kind="item"), Teas(), out=out)
    assert (report.kind, report.rows, report.present) == ("item", 16, 1)
    raw = read_features(out)
    assert raw.card is not None
    assert raw.card.train_pairs is None
    found, _ = match_features(raw, blocks(seed=1), kind="item", name="text")
    assert found.values[3].tolist() == [1, 0]


def test_tfidf_reads_all_profiles_at_once(tmp_path: Path):
    out = tmp_path / "text.npz"
    make_profile_features(DATASET, table(), TfidfSvd(dim=2), out=out, chunk_size=1)
    raw = read_features(out)
    expected = TfidfSvd(dim=2).encode(table().aligned(DATASET))
    np.testing.assert_array_equal(raw.values, expected.values)
    np.testing.assert_array_equal(raw.present, expected.present)
    assert raw.card is not None
    assert (raw.card.encoder, raw.card.revision, raw.card.pooling, raw.card.max_length) == (
        "tfidf-svd",
        "dim=2",
        "",
        None,
    )


def test_recgoat_trains_on_the_users_nearest_by_profile(tmp_path):
    out = tmp_path / "text.npz"
    make_profile_features(DATASET, table(), Teas(), out=out)
    bare = replace(DATASET, user_features={})
    attached = attach_features(bare, user_features=(("text", out),)).dataset
    config = RecGoatConfig(
        dim=2,
        num_layers=1,
        neighbors=1,
        fusion="id",
        user_branch="neighbors",
        user_mix=0.5,
        contrast_weight=0.0,
        id_graph_contrast_weight=0.0,
        id_graph_weight=0.0,
        wasserstein_weight=0.0,
    )
    with_profiles, without = (RecGoat(config, world, rngs=nnx.Rngs(0)) for world in (attached, bare))
    moved = np.any(with_profiles.vectors().users != without.vectors().users, axis=1)
    assert np.flatnonzero(moved).tolist() == [0, 4, 7]

    batch = Batch(jnp.array([0]), jnp.array([1]), jnp.array([9]), jnp.ones(1, bool))
    definition, params, rest = nnx.split(with_profiles, nnx.Param, ...)
    gradient = jax.jit(
        jax.grad(lambda p: nnx.merge(definition, p, rest, copy=True).loss(batch, key=jax.random.key(0)).total)
    )(params)
    reached = np.flatnonzero(np.any(np.asarray(nnx.to_pure_dict(gradient)["user_table"]) != 0, axis=1))
    # The user of the batch, and the nearest by profile: "Loves jam, no tea." to "Likes jam.".
    assert {0, 7} <= set(reached.tolist())
    assert 4 not in reached
