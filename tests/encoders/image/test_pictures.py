import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from recgoat_jax.encoders.image.folder import find_pictures
from recgoat_jax.encoders.image.pictures import PictureReader, quiet_decoding
from recgoat_jax.errors import DataError, MissingExtraError

RED, BLUE = (200, 30, 30), (30, 30, 200)


@pytest.fixture
def folder(tmp_path):
    """Good and bad files; what each of them is stands in its name."""
    made = tmp_path / "pictures"
    made.mkdir()
    Image.new("RGB", (40, 30), RED).save(made / "good.jpg")
    Image.new("CMYK", (40, 30), (0, 200, 200, 40)).save(made / "cmyk.jpg")
    Image.new("L", (40, 30), 100).save(made / "grey.png")
    frames = [Image.new("RGB", (20, 20), colour) for colour in (RED, BLUE)]
    frames[0].save(made / "animated.gif", save_all=True, append_images=frames[1:])
    (made / "text.jpg").write_text("no picture at all\n" * 50)
    (made / "empty.jpg").touch()
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    for name in ("noise.jpg", "noise.png"):
        Image.fromarray(noise).save(made / name)
        whole = (made / name).read_bytes()
        (made / name.replace("noise", "cut")).write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (20_000, 2), RED).save(made / "wide.png")
    (made / "folder.jpg").mkdir()
    outside = tmp_path / "secret.png"
    Image.new("RGB", (9, 9), BLUE).save(outside)
    (made / "link.png").symlink_to(outside)
    (made / "inner_link.jpg").symlink_to(made / "good.jpg")
    (made / "broken_link.jpg").symlink_to(made / "nothing.jpg")
    (made / "loop.jpg").symlink_to(made / "loop.jpg")
    (made / "page.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    return made


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("text.jpg", "not a picture"),
        ("empty.jpg", "empty file"),
        ("cut.jpg", "truncated or damaged picture"),
        ("cut.png", "truncated or damaged picture"),
        ("wide.png", "too large (over 10000 pixels a side or 50000000 in all)"),
        ("none.jpg", "no such file"),
        ("folder.jpg", "no such file"),
        ("link.png", "link out of the folder"),
        ("broken_link.jpg", "no such file"),
        ("page.eps", "not a picture"),
    ],
)
def test_what_is_no_picture_has_a_reason(folder, name, reason):
    with quiet_decoding():
        assert PictureReader().read(folder / name) == reason


def test_a_link_to_itself_is_a_reason_too(folder):
    assert PictureReader().read(folder / "loop.jpg") in ("no such file", "file cannot be read")


@pytest.mark.parametrize(
    ("name", "colour"),
    [("good.jpg", RED), ("inner_link.jpg", RED), ("animated.gif", RED), ("grey.png", (100, 100, 100))],
)
def test_pictures_of_every_kind_become_rgb(folder, name, colour):
    picture = PictureReader().read(folder / name)
    assert picture.mode == "RGB"
    np.testing.assert_allclose(picture.getpixel((5, 5)), colour, atol=4)


def test_ink_becomes_light(folder):
    red, green, blue = PictureReader().read(folder / "cmyk.jpg").getpixel((5, 5))
    assert red > 150
    assert max(green, blue) < 80


def test_transparent_parts_lie_on_white(tmp_path):
    picture = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    picture.putpixel((0, 0), (*RED, 255))
    picture.save(tmp_path / "a.png")
    read = PictureReader().read(tmp_path / "a.png")
    assert (read.getpixel((0, 0)), read.getpixel((3, 3))) == (RED, (255, 255, 255))


def test_sixteen_bits_are_scaled_not_cut(tmp_path):
    Image.fromarray(np.array([[0, 0x4000], [0x8000, 0xFFFF]], np.uint16)).save(tmp_path / "deep.png")
    read = np.asarray(PictureReader().read(tmp_path / "deep.png"))
    np.testing.assert_array_equal(read[:, :, 0], [[0, 0x40], [0x80, 0xFF]])


def test_the_orientation_of_the_camera_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30), RED).save(tmp_path / "turned.jpg", exif=exif)
    assert PictureReader().read(tmp_path / "turned.jpg").size == (30, 40)


def test_a_small_file_that_claims_to_be_huge_is_not_decoded(tmp_path):
    """A PNG of 60,000 x 60,000 pixels by its head; Pillow alone would warn or raise."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    with quiet_decoding():
        assert PictureReader().read(tmp_path / "bomb.png").startswith("too large")
        generous = PictureReader(max_side=10**6, max_pixels=10**12)
        assert generous.read(tmp_path / "bomb.png").startswith("too large")


def test_the_caps_are_fields(folder):
    assert (
        PictureReader(max_side=39).read(folder / "good.jpg") == "too large (over 39 pixels a side or 50000000 in all)"
    )
    assert PictureReader(max_pixels=1199).read(folder / "good.jpg").startswith("too large")
    assert not isinstance(PictureReader(max_side=40, max_pixels=1200).read(folder / "good.jpg"), str)


def test_links_may_go_where_the_root_says(folder):
    assert not isinstance(PictureReader(root=folder.parent).read(folder / "link.png"), str)
    assert PictureReader(root=folder / "elsewhere").read(folder / "good.jpg") == "link out of the folder"


def test_files_are_matched_to_items_by_their_names(folder):
    ids = ["good", "wide", "absent", "noise", "tt.1"]
    Image.new("RGB", (9, 9)).save(folder / "tt.1.JPG", format="JPEG")
    (folder / "good.txt").write_text("notes")
    found = find_pictures(folder, ids)
    names = [path and path.name for path in found.paths]
    assert names == ["good.jpg", "wide.png", None, None, "tt.1.JPG"]
    assert found.problems == (None, None, "no picture in the folder", "several pictures of that name", None)


def test_a_folder_without_a_picture_of_an_item_is_an_error(folder, tmp_path):
    with pytest.raises(DataError, match=r"none named by an item \('animated' is no item\).*'B1\.jpg'"):
        find_pictures(folder, ["B1"])
    with pytest.raises(DataError, match="no such folder"):
        find_pictures(tmp_path / "nowhere", ["B1"])


def test_without_pillow_the_message_names_the_extra(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtraError, match=r"'pillow' is not installed.*recgoat-jax\[image\]"):
        PictureReader().read(folder / "good.jpg")
