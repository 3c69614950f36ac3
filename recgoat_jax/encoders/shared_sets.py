"""The data sets of the shared research data: read, split, and given their features.

Texts of whole sentences go through MiniLM in JAX (`BertTextEncoder`), which takes a minute or two a set on 2 CPU cores.
The tables are kept, so another split of a set encodes nothing anew, and what was stopped goes on.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recgoat_jax.data import Dataset
from recgoat_jax.data.align import align_features
from recgoat_jax.data.content import with_features
from recgoat_jax.data.dataset import ProtocolName
from recgoat_jax.data.feature_card import FeatureCard, Kind
from recgoat_jax.data.feature_files import load_npz, raw_features, read_features
from recgoat_jax.data.feature_table import FeatureTable
from recgoat_jax.data.files import read_text
from recgoat_jax.data.prepare import prepare
from recgoat_jax.data.schema import RawTables
from recgoat_jax.data.sources import movielens, userlist
from recgoat_jax.data.vocabulary import Vocabulary
from recgoat_jax.encoders.standard import add_standard_features
from recgoat_jax.encoders.text.bert import BertTextConfig, BertTextEncoder
from recgoat_jax.encoders.text_job import run_text_job, text_inputs
from recgoat_jax.progress import ProgressLine

_CHUNK = 128
"""Texts that are encoded and kept together."""


def amazon_baby(root: Path) -> Dataset:
    """Amazon Baby, the published split, with its neighbour lists and the spectral stand-in features."""
    raw = userlist.read(
        root / "amazon-baby",
        item_features={"text": "text_feat_spectral256.npy", "image": "image_feat_spectral256.npy"},
        item_neighbors={"text": "text_adj_10.npz", "image": "image_adj_10.npz"},
        licence="Amazon product data 2014, category Baby: research use; not redistributed here.",
    )
    return prepare(raw, name="amazon-baby", protocol="given")


def movielens_small(root: Path, *, seed: int) -> Dataset:
    """MovieLens ml-latest-small, 5-core, with titles, genres and posters."""
    # The split needs no times, and one cell of the shared copy (ratings.csv, line 4) is not a time.
    raw = movielens.read(root / "movielens-small", image_features="poster_effnetlite0.npz", timestamps="leave_out")
    dataset = prepare(raw, name="movielens-small", protocol="per_user_811", seed=seed, k_core=5)
    return add_standard_features(dataset, raw)


def lastfm(root: Path, *, seed: int, encoded: Path) -> Dataset:
    """Last.fm artists: an LLM's paragraphs of artists and of listeners, through MiniLM.

    The paragraphs of listeners were written from the published training part, of which the validation part here is
    cut: they know it. They do not know the test part.

    Args:
        root: of the shared data.
        seed: of the validation part.
        encoded: folder of the tables of encoded texts.

    Returns:
        The data set: the item modality ``text`` and the user features ``profile``.

    Raises:
        DataError: a file is missing or broken.
        MissingExtraError: the extra ``text`` is not installed.
    """
    folder = root / "lastfm"
    dataset = prepare(userlist.read(folder, name="lastfm"), name="lastfm", protocol="given", seed=seed)
    items, users = (_json(folder / f"llm_response_{kind}.json.gz") for kind in ("item", "user"))
    artists, listeners = encoded / "lastfm-artists.npz", encoded / "lastfm-listeners.npz"
    text = encode_texts(dataset.items, [items.get(row) for row in dataset.items.ids], kind="item", out=artists)
    profile = encode_texts(dataset.users, [users.get(row) for row in dataset.users.ids], kind="user", out=listeners)
    return with_features(dataset, item_features={"text": text}, user_features={"profile": profile})


def movielens_1m(root: Path, *, protocol: ProtocolName, seed: int, encoded: Path) -> Dataset:
    """MovieLens-1M: an LLM's paragraphs of films through MiniLM, posters, and age, sex, occupation of the users.

    Args:
        root: of the shared data; posters are those of ``movielens-small``.
        protocol: ``"given"``, or one that draws anew from all pairs.
        seed: of the split, or of the validation part.
        encoded: folder of the tables of encoded texts.

    Returns:
        The data set: the item modalities ``text`` and ``image``, the user features ``profile``.

    Raises:
        DataError: a file is missing or broken.
        MissingExtraError: the extra ``text`` is not installed.
    """
    folder = root / "movielens-1m"
    lists = userlist.read(folder, name="movielens-1m")
    row_of = _pairs(folder / "item_map.txt")
    films = [line.split("::") for line in _lines(folder / "movies.dat")]
    films = [(row_of[movie], title, genres) for movie, title, genres in films if movie in row_of]
    people = [line.split("::") for line in _lines(folder / "users.dat")]
    user_row = _pairs(folder / "user_map.txt")
    people = [(user_row[user], sex, age, job) for user, sex, age, job, _ in people if user in user_row]
    posters = root / "movielens-small" / "poster_effnetlite0.npz"
    stored = load_npz(posters, names=("movieId", "feat"))
    seen = [place for place, movie in enumerate(stored["movieId"].tolist()) if str(movie) in row_of]
    raw = RawTables(
        source=lists.source,
        interactions=lists.interactions,
        items=_frame(films, ("item", "title", "genres")),
        users=_frame(people, ("user", "sex", "age", "occupation")),
        item_features={
            "image": raw_features(
                [row_of[str(stored["movieId"][place])] for place in seen],
                stored["feat"][seen].astype(np.float32),
                source=posters,
                encoder="efficientnet-lite0",
            )
        },
        licence="MovieLens-1M: research use, no redistribution.",
    )
    dataset = prepare(raw, name="movielens-1m", protocol=protocol, seed=seed)
    told = _json(folder / "llm_response_item.json.gz")
    paragraphs = {row: told.get(movie) for movie, row in row_of.items()}
    texts = [paragraphs.get(row) for row in dataset.items.ids]
    text = encode_texts(dataset.items, texts, kind="item", out=encoded / "movielens-1m-films.npz")
    return add_standard_features(with_features(dataset, item_features={"text": text}), raw)


def amazon_scientific(root: Path, *, protocol: ProtocolName, seed: int, encoded: Path) -> Dataset:
    """Amazon 2018 Industrial & Scientific, 5-core: title, brand, categories and description through MiniLM.

    Args:
        root: of the shared data.
        protocol: ``"leave_last_out"``, or one that draws anew from all pairs.
        seed: of the split, where it draws.
        encoded: folder of the tables of encoded texts.

    Returns:
        The data set: the item modality ``text``, and the user features ``profile``, the mean of the training items'.

    Raises:
        DataError: a file is missing or broken.
        MissingExtraError: the extra ``text`` is not installed.
    """
    folder = root / "amazon-scientific"
    histories = _json(folder / "Scientific.inter.json")
    products = _json(folder / "Scientific.item.json.gz")
    names = ("title", "brand", "categories", "description")
    raw = RawTables(
        source="amazon-scientific",
        interactions=pl.DataFrame(
            [(user, str(item), place) for user, items in histories.items() for place, item in enumerate(items)],
            schema={"user": pl.String, "item": pl.String, "timestamp": pl.Int64},
            orient="row",
        ),
        items=_frame(
            [(item, *(cells.get(name) or None for name in names)) for item, cells in products.items()], ("item", *names)
        ),
        licence="Amazon review data 2018, Industrial and Scientific: research use.",
    )
    dataset = prepare(raw, name="amazon-scientific", protocol=protocol, seed=seed)
    assert dataset.item_table is not None
    columns = [dataset.item_table[name].to_pylist() for name in names]
    texts = ["\n".join(cell for cell in cells if cell) for cells in zip(*columns, strict=True)]
    text = encode_texts(dataset.items, texts, kind="item", out=encoded / "amazon-scientific-products.npz")
    return add_standard_features(with_features(dataset, item_features={"text": text}), raw)


def encode_texts(vocabulary: Vocabulary, texts: Sequence[str | None], *, kind: Kind, out: Path) -> FeatureTable:
    """Texts through MiniLM; a missing or empty one is missing.

    Args:
        vocabulary: whose texts; the table's rows are sorted by id, so that it serves every split.
        texts: one a row.
        kind: whose they are.
        out: the table, which is read where it is made already.

    Returns:
        The features, in the order of the vocabulary.

    Raises:
        UsageError: a table of other texts is there.
    """
    text_of = {external: text for external, text in zip(vocabulary.ids, texts, strict=True) if text and text.strip()}
    ids = sorted(vocabulary.ids)
    run_text_job(
        text_inputs(ids, [text_of.get(external) for external in ids], absent="no text"),
        BertTextEncoder(BertTextConfig()),
        out=out,
        card=FeatureCard(kind, encoder="", revision=""),
        chunk_size=_CHUNK,
        line=ProgressLine(out.stem),
    )
    table, _ = align_features(read_features(out), vocabulary, name=out.stem)
    return table


def _frame(rows: Sequence[tuple[str | None, ...]], names: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


def _lines(path: Path) -> list[str]:
    return [line for line in read_text(path, encoding="latin-1").split("\n") if line.strip()]


def _pairs(path: Path) -> dict[str, str]:
    words = read_text(path).split()
    return dict(zip(words[::2], words[1::2], strict=True))


def _json(path: Path) -> Mapping[str, Any]:
    return json.loads(read_text(path))


__all__ = ["amazon_baby", "amazon_scientific", "encode_texts", "lastfm", "movielens_1m", "movielens_small"]
