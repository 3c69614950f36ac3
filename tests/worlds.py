"""Small data sets with known structure, made in memory."""

import numpy as np

from recgoat_jax.data import Dataset, FeatureTable, Interactions, Manifest, Vocabulary


def interactions(pairs: set[tuple[int, int]], *, ratings: bool = False) -> Interactions:
    """Interactions of (user, item) pairs; ratings 1..5 by (user + item)."""
    ordered = np.array(sorted(pairs), np.int32).reshape(-1, 2)
    values = ((ordered.sum(axis=1) % 5) + 1).astype(np.float32) if ratings else None
    return Interactions(ordered[:, 0], ordered[:, 1], values)


def blocks(
    *,
    num_blocks: int = 2,
    users_per_block: int = 6,
    items_per_block: int = 8,
    seed: int = 0,
    missing: bool = True,
    ratings: bool = True,
    cold: tuple[int, ...] = (),
) -> Dataset:
    """Users like the items of their own block only; features tell the blocks apart.

    Each user misses three items of the block in training: one is validated, one tested, one left.
    Modality "text" covers all items, "image" misses the last item of each block when ``missing``. The ``cold`` items
    have no training pair.
    """
    rng = np.random.default_rng(seed)
    num_users, num_items = num_blocks * users_per_block, num_blocks * items_per_block
    train, valid, test = set(), set(), set()
    for user in range(num_users):
        block = user // users_per_block
        own = rng.permutation(np.arange(block * items_per_block, (block + 1) * items_per_block))
        valid.add((user, int(own[0])))
        test.add((user, int(own[1])))
        train |= {(user, int(item)) for item in own[3:]}
    train = {(user, item) for user, item in train if item not in cold}
    block_of_item = np.arange(num_items) // items_per_block
    text = np.eye(num_blocks, dtype=np.float32)[block_of_item] + 0.1 * rng.normal(size=(num_items, num_blocks))
    image = np.repeat(text, 2, axis=1) + 0.1 * rng.normal(size=(num_items, 2 * num_blocks))
    image_present = np.ones(num_items, bool)
    if missing:
        image_present[items_per_block - 1 :: items_per_block] = False
    profile = np.eye(num_blocks)[np.arange(num_users) // users_per_block] + 0.1 * rng.normal(
        size=(num_users, num_blocks)
    )
    return Dataset(
        users=Vocabulary((f"u{i}" for i in range(num_users)), kind="user"),
        items=Vocabulary((f"i{i}" for i in range(num_items)), kind="item"),
        train=interactions(train, ratings=ratings),
        valid=interactions(valid, ratings=ratings),
        test=interactions(test, ratings=ratings),
        manifest=Manifest("blocks", "tests", "given", seed, {}, {}, hash=f"blocks-{seed}"),
        item_features={
            "text": FeatureTable(text.astype(np.float32), np.ones(num_items, bool), "planted"),
            "image": FeatureTable(
                np.where(image_present[:, None], image, 0).astype(np.float32), image_present, "planted"
            ),
        },
        user_features={"profile": FeatureTable(profile.astype(np.float32), np.ones(num_users, bool), "planted")},
    )


def toy(pairs: np.ndarray, *, num_users: int, num_items: int, features: dict[str, np.ndarray] | None = None) -> Dataset:
    """A data set of training pairs ``[pairs, 2]``, for stored numbers; nothing is held out."""
    train = interactions({(int(user), int(item)) for user, item in pairs})
    present = np.ones(num_items, bool)
    return Dataset(
        users=Vocabulary(map(str, range(num_users)), kind="user"),
        items=Vocabulary(map(str, range(num_items)), kind="item"),
        train=train,
        valid=train,
        test=train,
        manifest=Manifest("toy", "parity", "given", 0, {}, {}, hash="toy"),
        item_features={
            name: FeatureTable(values.astype(np.float32), present, "parity")
            for name, values in (features or {}).items()
        },
    )
