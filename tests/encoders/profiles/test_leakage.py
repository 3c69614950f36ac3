import gzip
import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import hypergeom

from recgoat_jax.data.locate import find_shared_data
from recgoat_jax.data.prepare import prepare
from recgoat_jax.data.sources import userlist
from recgoat_jax.encoders.profiles import LeakConfig, leak_report, profile_table, statistical_profiles
from recgoat_jax.encoders.profiles.leakage import _spoken, _words
from recgoat_jax.errors import DataError, UsageError
from tests.encoders.profiles.worlds import shop, texts

DATASET = shop(users_per_block=40, items_per_block=30)
TITLES = texts(DATASET)
QUICK = LeakConfig(permutations=999)


def written(split: str, *, share: float, rng: np.random.Generator):
    """Profiles that name each training item, and a share of the items of one split."""
    named = {user: [] for user in DATASET.users.ids}
    for part, rate in (("train", 1.0), (split, share)):
        pairs = DATASET.split(part)
        for user, item in zip(pairs.users, pairs.items, strict=True):
            if rng.random() < rate:
                named[DATASET.users.ids[user]].append(TITLES[item].upper().replace(" ", "-"))
    return profile_table(
        DATASET, {user: "Likes " + ", ".join(some) for user, some in named.items()}, kind="user", encoder="planted"
    )


def test_profiles_of_training_items_alone_are_clean():
    report = leak_report(DATASET, written("test", share=0.0, rng=np.random.default_rng(0)), config=QUICK)
    assert report.leaking == ()
    assert report.splits["train"].rate == 1.0
    assert report.splits["train"][3:6] == (None, None, None)
    assert report.splits["test"] == (80, 0, 0.0, 0.0, 1.0, 0.0, ())
    assert "no leak found" in report.text


@pytest.mark.parametrize("split", ["valid", "test"])
def test_a_planted_leak_is_found_in_its_split_and_only_there(split):
    profiles = written(split, share=0.2, rng=np.random.default_rng(1))
    report = leak_report(DATASET, profiles, config=QUICK)
    assert report.leaking == (split,)
    leak = report.splits[split]
    assert 0.1 < leak.rate < 0.3
    assert leak.control_rate == 0
    assert leak.p == 1 / 1000
    assert leak.share == pytest.approx(leak.rate)  # training items are all named, controls never
    assert len(leak.examples) == 5
    for user, title in leak.examples:
        assert title.upper().replace(" ", "-") in profiles.texts[user]
    assert f"LEAK: profiles name items of '{split}'" in report.text


def test_names_that_fall_on_any_item_alike_are_no_leak():
    rng = np.random.default_rng(2)
    anything = {user: " and ".join(rng.choice(TITLES, 6, replace=False)) for user in DATASET.users.ids}
    profiles = profile_table(DATASET, anything, kind="user", encoder="random")
    configs = [LeakConfig(permutations=999, seed=seed, controls="uniform") for seed in range(3)]
    p = [leak_report(DATASET, profiles, config=config).splits["test"].p for config in configs]
    assert min(p) > 0.02


def test_the_p_value_of_one_user_is_that_of_the_hypergeometric_distribution():
    held_out = DATASET.test.items[DATASET.test.users == 0]
    some = " ".join(TITLES[i] for i in [*held_out, *range(30, 45)])
    one = profile_table(DATASET, {"u0": some}, kind="user", encoder="x")
    leak = leak_report(DATASET, one, config=LeakConfig(controls_per_pair=20, permutations=50_000)).splits["test"]
    named_controls = round(leak.control_rate * 20)
    assert 0 < named_controls < 20
    assert leak.p == pytest.approx(hypergeom(1 + 20, 1 + named_controls, 1).sf(0), abs=0.01)


def test_controls_are_items_that_the_user_has_in_no_split():
    splits = [DATASET.split(name) for name in ("train", "valid", "test")]
    held = {int(item) for pairs in splits for item in pairs.items[pairs.users == 0]}
    own = profile_table(DATASET, {"u0": " ".join(TITLES[i] for i in held)}, kind="user", encoder="x")
    others = " ".join(title for i, title in enumerate(TITLES) if i not in held)
    other = profile_table(DATASET, {"u0": others}, kind="user", encoder="x")
    many = LeakConfig(controls_per_pair=1000, permutations=1)
    assert leak_report(DATASET, own, config=many).splits["test"].control_rate == 0
    assert leak_report(DATASET, other, config=many).splits["test"].control_rate == 1


def test_controls_follow_popularity_or_not():
    # All that users of the second block trained is one item, and users of the first name it.
    popular = 45
    items = np.where(DATASET.train.items >= 30, popular, DATASET.train.items)
    crowded = replace(DATASET, train=replace(DATASET.train, items=items))
    named = profile_table(crowded, {f"u{i}": TITLES[popular] for i in range(40)}, kind="user", encoder="x")
    rates = {
        kind: leak_report(crowded, named, config=LeakConfig(controls_per_pair=1, controls=kind)).splits["test"]
        for kind in ("popularity", "uniform")
    }
    # Weights: 40 x 27 + 1 of the item; of others 31 + 1,080 for the block and 29 of its own block, unnamed.
    assert rates["popularity"].control_rate > 0.5
    assert rates["uniform"].control_rate < 0.2


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Toy Story (1995)", "enjoys TOY STORY, among others"),
        ("Saint, The", "liked The Saint"),
        ("Röyksopp", "modern acts like Royksopp."),
        ("a-ha", "bands such as A-Ha,"),
        ("Guns N' Roses", "fans of guns n’ roses"),
        ("Simon & Garfunkel", "Simon and Garfunkel"),
        ("AC/DC", "AC/DC!"),
        ("Misérables, Les (1995)", "Les Miserables"),
    ],
)
def test_titles_are_found_through_case_accents_and_punctuation(title, text):
    assert f" {_words(_spoken(title))} " in f" {_words(text)} "


def test_titles_are_found_as_whole_words_only():
    assert f" {_words('Air')} " not in f" {_words('a stair, airs and unfair')} "


def test_a_title_within_a_trained_title_tells_nothing():
    changed = list(TITLES)
    trained = DATASET.train.items[DATASET.train.users == 0][0]
    held_out = DATASET.test.items[DATASET.test.users == 0][0]
    changed[trained], changed[held_out] = "Toy Story 2", "Toy Story"
    profiles = profile_table(DATASET, {"u0": "Likes Toy Story 2."}, kind="user", encoder="x")
    report = leak_report(DATASET, profiles, titles=changed, config=QUICK)
    assert "test" not in report.splits or report.splits["test"].named == 0
    assert report.splits["train"].named == 1


def test_what_a_model_knows_of_the_world_is_significant_and_no_leak():
    profiles = written("test", share=0.06, rng=np.random.default_rng(3))
    report = leak_report(DATASET, profiles, config=LeakConfig(permutations=999, tolerated_share=0.2))
    leak = report.splits["test"]
    assert leak.p <= 0.01
    assert 0 < leak.share < 0.2
    assert report.leaking == ()


def test_statistical_profiles_are_clean():
    assert leak_report(DATASET, statistical_profiles(DATASET), config=QUICK).leaking == ()


def test_what_cannot_be_searched_is_an_error():
    profiles = written("test", share=0.0, rng=np.random.default_rng(0))
    items = profile_table(DATASET, {"i0": "x"}, kind="item", encoder="x")
    untitled = replace(DATASET, item_table=pa.table({"name": TITLES}))
    for call, match in (
        (lambda: leak_report(DATASET, items), "profiles of items"),
        (lambda: leak_report(untitled, profiles), "found 0 titles"),
        (lambda: leak_report(DATASET, profiles, titles=TITLES[:3]), "in a list of 3; expected titles of the 60 items"),
        (lambda: leak_report(DATASET, profiles, titles=["ab"] * 60), "found 0 titles of 3 letters"),
        (lambda: leak_report(DATASET, replace(profiles, texts={"nobody": "x"})), "no profile of a user"),
    ):
        with pytest.raises(DataError, match=match):
            call()
    with pytest.raises(UsageError, match="controls_per_pair=0"):
        LeakConfig(controls_per_pair=0)


@pytest.mark.data
def test_the_published_paragraphs_of_lastfm_know_train_and_a_validation_part_made_of_it_but_not_test():
    try:
        root = find_shared_data() / "lastfm"
    except DataError as error:
        pytest.skip(f"no shared research data: {error}")
    dataset = prepare(userlist.read(root), name="lastfm", protocol="given")
    paragraphs = json.loads(gzip.decompress((root / "llm_response_user.json.gz").read_bytes()))
    artists = dict(
        line.split("\t")[:2]
        for line in gzip.decompress((root / "hetrec_artists.dat.gz").read_bytes()).decode().splitlines()[1:]
    )
    original = {row: old for old, row in (line.split() for line in (root / "item_map.txt").read_text().splitlines())}
    titles = [artists.get(original[item]) for item in dataset.items.ids]
    known = {user: text for user, text in paragraphs.items() if user in dataset.users}
    profiles = profile_table(dataset, known, kind="user", encoder="published")
    report = leak_report(dataset, profiles, titles=titles, config=LeakConfig(permutations=999))
    assert report.splits["train"].rate == pytest.approx(0.153, abs=0.01)
    # The published split has no validation part. Ours comes out of its training pairs, so the paragraphs know it.
    assert report.leaking == ("valid",)
    assert report.splits["valid"].share == pytest.approx(1, abs=0.1)
    # A dozen of 13,436 are new wave users for whom the model thought of Depeche Mode.
    assert report.splits["test"].rate == pytest.approx(0.0013, abs=0.0005)
    assert report.splits["test"].share < 0.015
