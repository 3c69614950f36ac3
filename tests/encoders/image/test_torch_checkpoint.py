import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from recgoat_jax.encoders.image.torch_checkpoint import read_tensors
from recgoat_jax.errors import DataError

FILES = Path(__file__).parent


class Runs:
    """A pickle of it makes a directory when it is read."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def write_zip(path: Path, payload: bytes, *, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", payload)
        archive.writestr("archive/data/0", bytes(1000))
    return path


def write_legacy(path: Path, payload: bytes) -> Path:
    machine = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    head = b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, machine))
    path.write_bytes(head + payload + pickle.dumps([], 2) + struct.pack("<q", 0))
    return path


@pytest.mark.parametrize("name", ["tensors_zip.pth", "tensors_legacy.pth"])
def test_both_layouts_of_torch_are_read(name):
    """The files were made by torch 2.13, of tensors and views of one storage."""
    found = read_tensors(FILES / name)
    base = np.arange(12, dtype=np.float32).reshape(3, 4)
    expected = {
        "plain": base,
        "transposed": base.T,
        "row": base[1],
        "parameter": np.array([0.5, -0.5], np.float32),
        "half": np.array([1.5, 2.5], np.float16),
        "count": np.array(7),
        "flags": np.array([True, False]),
        "empty": np.zeros((0, 3), np.float32),
        "bytes": np.array([1, 255], np.uint8),
    }
    assert list(found) == list(expected)
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value, strict=True)


@pytest.mark.parametrize("write", [write_zip, write_legacy])
@pytest.mark.parametrize("inside", [False, True], ids=["alone", "among weights"])
def test_a_pickle_that_runs_something_is_refused_and_nothing_is_run(tmp_path, write, inside):
    target = tmp_path / "made by the pickle"
    payload = pickle.dumps({"weight": Runs(target)} if inside else Runs(target), 2)
    path = write(tmp_path / "model.pth", payload)
    with pytest.raises(DataError, match=r"the name '(posix|nt)\.mkdir'.*Nothing of the file was run"):
        read_tensors(path)
    assert not target.exists()
    pickle.loads(payload)
    assert target.exists(), "the pickle of this test would have run"


@pytest.mark.parametrize(
    "name", ["builtins\neval", "torch\nload", "torch._utils\n_rebuild_sparse_tensor", "collections\nCounter"]
)
def test_no_other_name_is_known(tmp_path, name):
    path = write_zip(tmp_path / "model.pth", b"c" + name.encode() + b"\n.")
    with pytest.raises(DataError, match="the name '" + name.replace("\n", ".")):
        read_tensors(path)


def tensor_pickle(offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    """``{"w": tensor}`` over a storage of 250 floats, written opcode by opcode."""
    reference = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuM\xfa\x00tQ"
    body = b"ctorch._utils\n_rebuild_tensor_v2\n(" + reference
    for number in (offset, shape, strides):
        body += pickle.dumps(number, 2)[2:-1]
    return b"\x80\x02}X\x01\x00\x00\x00w" + body + b"tRs."


def test_a_tensor_within_its_storage_is_read(tmp_path):
    path = write_zip(tmp_path / "model.pth", tensor_pickle(3, (2, 5), (5, 1)))
    np.testing.assert_array_equal(read_tensors(path)["w"], np.zeros((2, 5), np.float32))


@pytest.mark.parametrize(
    ("offset", "shape", "strides", "reason"),
    [
        (0, (251,), (1,), "beyond its storage"),
        (249, (2,), (1,), "beyond its storage"),
        (0, (10**9, 10**9), (0, 0), "beyond its storage"),
        (-4, (2,), (1,), "impossible shape"),
        (8, (2, 2), (-4, 1), "impossible shape"),
        (0, (2, 2), (1,), "impossible shape"),
    ],
)
def test_a_tensor_that_leaves_its_storage_is_refused(tmp_path, offset, shape, strides, reason):
    path = write_zip(tmp_path / "model.pth", tensor_pickle(offset, shape, strides))
    with pytest.raises(DataError, match=reason):
        read_tensors(path)


def test_compressed_entries_are_refused(tmp_path):
    path = write_zip(tmp_path / "model.pth", pickle.dumps({}, 2), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match="compressed entries"):
        read_tensors(path)


@pytest.mark.parametrize("name", ["tensors_zip.pth", "tensors_legacy.pth"])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.99])
def test_a_file_cut_short_is_named(tmp_path, name, kept):
    whole = (FILES / name).read_bytes()
    path = tmp_path / "cut.pth"
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(DataError, match=r"cut\.pth.*(no readable torch checkpoint|reaches beyond)"):
        read_tensors(path)


@pytest.mark.parametrize("found", [[1, 2], {"w": 3}, {"w": {"v": 1}}])
def test_other_contents_are_refused(tmp_path, found):
    path = write_zip(tmp_path / "model.pth", pickle.dumps(found, 2))
    with pytest.raises(DataError, match="expected a dictionary of tensors"):
        read_tensors(path)
