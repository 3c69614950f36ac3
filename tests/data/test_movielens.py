import numpy as np
import pytest

from recgoat_jax.data.locate import find_shared_data
from recgoat_jax.data.prepare import prepare
from recgoat_jax.data.sources import movielens
from recgoat_jax.errors import DataError

FLAGS = ["unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", *["-"] * 13]


def flags(*names):
    return "|".join("1" if name in names else "0" for name in FLAGS)


def write_100k(directory):
    (directory / "u.data").write_text("196\t242\t3\t881250949\n7\t1\t5\t881250000\n")
    films = [
        f"1|Toy Story (1995)|01-Jan-1995||http://x|{flags('Animation', 'Comedy')}",
        f"242|Mis\xe9rables, Les (1995)|||http://y|{flags('unknown')}",
    ]
    (directory / "u.item").write_bytes("\n".join(films).encode("latin-1"))
    (directory / "u.user").write_text("7|24|M|technician|85711\n196|49|F|writer|55105\n")
    return directory


def test_100k(tmp_path):
    raw = movielens.read(write_100k(tmp_path))
    assert raw.interactions.rows() == [("196", "242", 3.0, 881250949), ("7", "1", 5.0, 881250000)]
    assert raw.items is not None
    assert raw.users is not None
    assert raw.items.rows() == [
        ("1", "Toy Story (1995)", "1995", "Animation|Comedy"),
        ("242", "Misérables, Les (1995)", "1995", None),
    ]
    assert raw.users.rows() == [("7", "24", "M", "technician"), ("196", "49", "F", "writer")]
    assert "research" in raw.licence


def test_1m(tmp_path):
    (tmp_path / "ratings.dat").write_text("1::1193::5::978300760\n")
    (tmp_path / "movies.dat").write_bytes("1193::One: Flew, Caf\xe9 (1975)::Drama|War\n".encode("latin-1"))
    (tmp_path / "users.dat").write_text("1::F::1::10::48067\n")
    raw = movielens.read(tmp_path)
    assert raw.interactions.rows() == [("1", "1193", 5.0, 978300760)]
    assert raw.items is not None
    assert raw.users is not None
    assert raw.items.rows() == [("1193", "One: Flew, Café (1975)", "1975", "Drama|War")]
    assert raw.users.rows() == [("1", "1", "F", "occupation 10")]


def write_csv(directory, rating="4.0", timestamp="964982703"):
    (directory / "ratings.csv").write_text(f"userId,movieId,rating,timestamp\n1,1,4.5,1\n1,11,{rating},{timestamp}\n")
    (directory / "movies.csv").write_text(
        'movieId,title,genres\n1,Toy Story (1995),Comedy\n11,"American President, The",(no genres listed)\n'
    )
    return directory


def test_csv_with_posters(tmp_path):
    np.savez(tmp_path / "posters.npz", movieId=np.array([11, 99]), feat=np.array([[1, 2], [3, 4]], np.float16))
    raw = movielens.read(write_csv(tmp_path), image_features="posters.npz")
    assert raw.interactions.rows() == [("1", "1", 4.5, 1), ("1", "11", 4.0, 964982703)]
    assert raw.items is not None
    assert raw.items.rows() == [
        ("1", "Toy Story (1995)", "1995", "Comedy"),
        ("11", "American President, The", None, None),
    ]
    assert raw.users is None
    assert raw.item_features["image"].ids == ("11", "99")
    np.testing.assert_array_equal(raw.item_features["image"].values, [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"rating": "-1"}, "line 3, column 'rating': found '-1'"),
        ({"rating": "NaN"}, "line 3, column 'rating': found 'NaN'"),
        ({"timestamp": "964982224a"}, "line 3, column 'timestamp': found '964982224a'"),
    ],
)
def test_bad_cells_are_named(tmp_path, cells, message):
    with pytest.raises(DataError, match=message):
        movielens.read(write_csv(tmp_path, **cells))


def test_times_that_are_left_out_are_not_checked(tmp_path):
    raw = movielens.read(write_csv(tmp_path, timestamp="964982224a"), timestamps="leave_out")
    assert raw.interactions.columns == ["user", "item", "rating"]


def test_a_folder_without_ratings_is_named(tmp_path):
    with pytest.raises(DataError, match=r"found none of u\.data, ratings\.dat, ratings\.csv"):
        movielens.read(tmp_path)


@pytest.mark.data
def test_shared_movielens_small_has_its_published_counts():
    try:
        directory = find_shared_data() / "movielens-small"
    except DataError as error:
        pytest.skip(f"the shared research data is absent: {error}")
    raw = movielens.read(directory, image_features="poster_effnetlite0.npz", timestamps="leave_out")
    dataset = prepare(raw, name="movielens-small", protocol="per_user_811")
    assert (dataset.num_users, dataset.num_items) == (610, 9_724)
    assert len(dataset.train) + len(dataset.valid) + len(dataset.test) == 100_836
    image = dataset.item_features["image"]
    assert image.dim == 1280
    ratings = np.concatenate([part.items for part in (dataset.train, dataset.valid, dataset.test)])
    assert round(float(image.present[ratings].mean()), 3) == 0.925
