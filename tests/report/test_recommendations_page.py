"""The page of recommendations, read back by a parser: what is on it, what is not, and that data stays data."""

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from recgoat_jax.cli.main import main
from recgoat_jax.data import content_hash
from recgoat_jax.encoders.image.folder import NamedPictures
from recgoat_jax.errors import UsageError
from recgoat_jax.report.recommendations_page import recommendations_page
from recgoat_jax.serving import Run, load_run
from tests.runs import random_dataset, random_vectors, write_run

HOSTILE = '</p><script>alert(1)</script><img src=x onerror="alert(2)"> & "Sons\''
USERS = ["user 007", "user 000"]


class Parsed(HTMLParser):
    """Tags with attributes in order, and the text of the page without its style sheet."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] != "style" and data.strip():
            self.texts.append(data.strip())

    def pictures(self) -> list[str]:
        """Class of the picture of each tile, in order."""
        classes = [attributes.get("class") or "" for tag, attributes in self.tags if tag == "div"]
        return [name.removeprefix("picture ") for name in classes if name.startswith("picture")]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on items of which most are named by a hostile title, one has none, and user 007 is as before."""
    made = random_dataset(name="<b>mine</b>")
    titles = [None if row == 1 else f"{HOSTILE}{row}" for row in range(made.num_items)]
    files = [f"{row}.png" for row in range(made.num_items)]
    table = pa.table({"title": pa.array(titles, pa.string()), "file": files})
    made = replace(made, item_table=table)
    made = replace(made, manifest=replace(made.manifest, hash=content_hash(made)))
    return write_run(tmp_path_factory.mktemp("runs") / "run", made, random_vectors(made))


@pytest.fixture
def run(directory: Path) -> Run:
    return load_run(directory)


def shade(row: int) -> tuple[int, int, int]:
    """A colour that no other item has and that JPEG keeps apart."""
    return (8 * row, 255 - 8 * row, 40)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A picture of each item but those with an even row; that of row 3 is cut short."""
    made = tmp_path / "pictures"
    made.mkdir()
    for row in range(1, 31, 2):
        Image.new("RGB", (600, 300), shade(row)).save(made / f"{row}.png")
    (made / "3.png").write_bytes((made / "3.png").read_bytes()[:100])
    return made


def test_data_stays_data(run: Run) -> None:
    lists = run.recommend(USERS, k=4)
    page = Parsed(recommendations_page(run, lists).html)
    assert not {tag for tag, _ in page.tags} & {"script", "img", "a", "iframe", "link", "b"}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    titles = [item.title for one in lists for item in (*run.past(one.user)[:8], *one.items) if item.title]
    assert [text for text in page.texts if text.startswith("</p>")] == titles
    assert len(titles) > 8
    assert any("<b>mine</b>" in text for text in page.texts)
    policy = next(tag["content"] for _, tag in page.tags if tag.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_each_tile_has_the_picture_of_its_item(run: Run, folder: Path) -> None:
    files = [folder / f"{row}.png" if row % 2 else None for row in range(run.dataset.num_items)]
    pictures = NamedPictures(tuple(files), tuple(None if path else "no such file" for path in files))
    lists = run.recommend(["user 000", *USERS], k=6)
    made = recommendations_page(run, lists, pictures=pictures, past_items=3)
    rules = dict(re.findall(r"\.(p\d+)\{background-image:url\((data:image/jpeg;base64,[^)]+)\)\}", made.html))
    parsed = Parsed(made.html)
    expected = [
        run.dataset.items.ids.index(item.item) for one in lists for item in (*run.past(one.user)[:3], *one.items)
    ]
    assert len(parsed.pictures()) == len(expected)
    for row, name in zip(expected, parsed.pictures(), strict=True):
        if row % 2 == 0 or row == 3:
            assert name == "none"
            continue
        picture = Image.open(io.BytesIO(base64.b64decode(rules[name].partition(",")[2])))
        assert picture.size == (240, 120)
        np.testing.assert_allclose(picture.getpixel((9, 9)), shade(row), atol=6)
    # What two users are shown is there once.
    there = {row for row in expected if row % 2 and row != 3}
    assert len(rules) == len(there) < len([row for row in expected if row in there])
    ids = run.dataset.items.ids
    reasons = {ids[row]: "no such file" for row in set(expected) if row % 2 == 0}
    if 3 in expected:
        reasons[ids[3]] = "truncated or damaged picture"
    assert made.without_picture == reasons
    assert parsed.texts.count("no picture") == parsed.pictures().count("none")


def test_a_link_out_of_the_folder_is_no_picture(run: Run, folder: Path) -> None:
    Image.new("RGB", (9, 9)).save(folder.parent / "secret.png")
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    number = run.dataset.num_items
    pictures = NamedPictures((folder / "link.png",) * number, (None,) * number)
    lists = run.recommend(["user 007"], k=2)
    found = recommendations_page(run, lists, pictures=pictures, folder=folder, past_items=0)
    assert list(found.without_picture.values()) == ["link out of the folder"] * 2
    assert "url(" not in found.html


def test_the_past_is_counted_and_cut(run: Run) -> None:
    lists = run.recommend(["user 007"], k=2)
    number = len(run.past("user 007"))
    assert number > 2
    texts = Parsed(recommendations_page(run, lists, past_items=2).html).texts
    assert f"2 of {number}" in texts
    texts = Parsed(recommendations_page(run, lists, past_items=99).html).texts
    assert f"{number}" in texts
    with pytest.raises(UsageError, match="past_items is -1"):
        recommendations_page(run, lists, past_items=-1)
    assert "Had" not in Parsed(recommendations_page(run, lists, past_items=0).html).texts


def test_a_past_with_times_is_said_to_be_the_newest(run: Run) -> None:
    lists = run.recommend(["user 007"], k=2)
    data = run.dataset
    timed = {
        name: replace(pairs, timestamps=pairs.items.astype(np.int64))
        for name, pairs in (("train", data.train), ("valid", data.valid), ("test", data.test))
    }
    vars(run)["dataset"] = replace(data, **timed)
    number = len(run.past("user 007"))
    assert f"the newest 2 of {number}" in Parsed(recommendations_page(run, lists, past_items=2).html).texts


def test_who_has_everything_is_told_so(run: Run) -> None:
    (one,) = run.recommend(["user 007"], k=1)
    texts = Parsed(recommendations_page(run, [replace(one, items=())]).html).texts
    assert "nothing is left after exclusion" in texts


def test_the_command_writes_the_page(directory: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder.parent / "page.html"
    command = ["recommend", str(directory), "--users", *USERS, "--k", "20", "--html", str(out)]
    assert main([*command, "--pictures", str(folder), "--picture-column", "file"]) == 0
    shown = capsys.readouterr()
    assert f"page written to {out}" in shown.out
    assert "without a picture: no such file (such as item '" in shown.err
    assert len(set(Parsed(out.read_text(encoding="utf-8")).pictures())) > 3
    assert main([*command, "--json"]) == 0
    assert "page written" not in capsys.readouterr().out
    assert Parsed(out.read_text(encoding="utf-8")).pictures() == []
    # A link out of the folder is not followed.
    secret = folder.parent / "secret.png"
    Image.new("RGB", (9, 9)).save(secret)
    (folder / "0.png").symlink_to(secret)
    assert main([*command, "--pictures", str(folder), "--picture-column", "file", "--no-exclude-seen"]) == 0
    assert "1 without a picture: link out of the folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--pictures", "x"], 2, "expected --html FILE with it"),
        (["--html", "page.html", "--picture-column", "file"], 2, "expected --pictures FOLDER with it"),
        (["--html", "nowhere/page.html"], 2, "its directory does not exist"),
        (["--html", "page.html", "--pictures", "nowhere"], 3, "found no such folder"),
        (["--html", "page.html", "--pictures", "here", "--picture-column", "photo"], 3, "found no such item column"),
        (["--html", "page.html", "--pictures", "here"], 3, "or the item column with their names"),
    ],
)
def test_wrong_options_say_why_and_write_nothing(
    directory: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    assert main(["recommend", str(directory), "--users", "user 007", *options]) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()
