"""Random data sets with many held-out items, and run directories as training leaves them."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from recgoat_jax.data import Dataset, FeatureTable, Manifest, Vocabulary, content_hash, write_dataset
from recgoat_jax.evaluation import evaluate
from tests.worlds import interactions


def random_dataset(*, num_users: int = 23, num_items: int = 31, seed: int = 0, name: str = "random") -> Dataset:
    """Users with 0 to 12 training items (user 0 has none) and 0 to 4 items each in validation and test.

    The last three items are never in train; modality "image" misses every fourth item.
    """
    rng = np.random.default_rng(seed)
    parts: dict[str, set[tuple[int, int]]] = {"train": set(), "valid": set(), "test": set()}
    for user in range(num_users):
        items = rng.permutation(num_items)
        num_train, num_valid, num_test = int(rng.integers(0, 13)), int(rng.integers(0, 5)), int(rng.integers(0, 5))
        known = items[items < num_items - 3][: num_train if user else 0]
        others = items[~np.isin(items, known)]
        parts["train"] |= {(user, int(i)) for i in known}
        parts["valid"] |= {(user, int(i)) for i in others[:num_valid]}
        parts["test"] |= {(user, int(i)) for i in others[num_valid : num_valid + num_test]}
    present = np.arange(num_items) % 4 != 0
    values = np.where(present[:, None], rng.normal(size=(num_items, 3)), 0).astype(np.float32)
    titles = pa.table({"title": pa.array([None if i == 1 else f"Title {i}" for i in range(num_items)], pa.string())})
    fields = {
        "users": Vocabulary((f"user {i:03d}" for i in range(num_users)), kind="user"),
        "items": Vocabulary((f"0{i}é" for i in range(num_items)), kind="item"),
        **{part: interactions(pairs) for part, pairs in parts.items()},
        "item_table": titles,
        "item_features": {"image": FeatureTable(values, present, "planted")},
    }

    def manifest(digest: str) -> Manifest:
        return Manifest(name, "tests", "given", seed, {}, {"users": num_users, "items": num_items}, digest)

    return Dataset(**fields, manifest=manifest(content_hash(Dataset(**fields, manifest=manifest("")))))


def random_vectors(dataset: Dataset, *, seed: int = 0, dim: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """User and item vectors."""
    rng = np.random.default_rng(seed)
    users, items = rng.normal(size=(dataset.num_users, dim)), rng.normal(size=(dataset.num_items, dim))
    return users.astype(np.float32), items.astype(np.float32)


def write_run(
    directory: Path,
    dataset: Dataset,
    vectors: tuple[np.ndarray, np.ndarray],
    *,
    name: str = "lightgcn",
    epochs: int = 6,
    seed: int = 0,
    modalities: tuple[str, ...] = (),
) -> Path:
    """Writes the files of a finished run, and the prepared data beside it."""
    prepared = directory.parent / f"data-{dataset.manifest.hash[:8]}"
    write_dataset(dataset, prepared)
    directory.mkdir(parents=True)
    np.savez(directory / "vectors.npz", users=vectors[0], items=vectors[1])
    test = evaluate(vectors, dataset, "test", cutoffs=(5, 10, 20))
    test.write_parquet(directory / "per_user.parquet")
    data = {"type": "PreparedData", "directory": str(prepared), "item_features": [], "user_features": []}
    config = {"type": "Experiment", "name": name, "data": data, "dataset_directory": str(prepared)}
    (directory / "config.json").write_text(json.dumps(config))
    result = {
        "name": name,
        "model": "LightGcn",
        "protocol": dataset.manifest.protocol,
        "dataset": dataset.manifest.hash,
        "dataset_name": dataset.manifest.name,
        "valid": {"recall@20": 0.5},
        "test": test.means,
        "best_epoch": 4,
        "epochs": epochs,
        "seconds": 1.5,
        "seed": seed,
        "commit": None,
    }
    (directory / "result.json").write_text(json.dumps(result))
    lines = []
    for epoch in range(1, epochs + 1):
        step = epoch * 7
        fusion = {f"fusion/{m}": (i + epoch) / (len(modalities) * (epoch + 2)) for i, m in enumerate(modalities)}
        lines.append({"kind": "train", "epoch": epoch, "step": step, "loss": 1 / epoch, "loss/bpr": 0.9 / epoch})
        lines.append({"kind": "valid", "epoch": epoch, "step": step, "recall@20": 0.1 + 0.05 * epoch, **fusion})
    (directory / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return directory
