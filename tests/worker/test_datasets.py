"""The data sets are real, whole and reproducible; every damaged or missing file is named."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import struct
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import worker.datasets.builtin
from sigmascope.errors import InvalidValueError, NotFoundError
from worker.datasets import cifar
from worker.datasets.catalogue import IMAGES, OFFLINE, TEXTS, load, load_images, load_text
from worker.datasets.cifar import CIFAR10, CIFAR100, Batch, CifarSet, load_cifar, parse_cifar
from worker.datasets.download import Published
from worker.datasets.files import Content, DataFiles
from worker.datasets.idx import FASHION_MNIST, MNIST, IdxSet, load_idx, parse_idx
from worker.datasets.images import Images, batch_indices
from worker.datasets.images import load as load_offline
from worker.datasets.sampling import evenly_spaced
from worker.datasets.teacher import Teacher, gaussian_teacher
from worker.datasets.text import Text, from_string

REAL = Path(os.environ.get("SIGMASCOPE_DATA_DIR", Path(__file__).parents[3] / "shared" / "data"))
NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def real(folder: str) -> DataFiles:
    if not (REAL / folder).is_dir():
        pytest.skip(f"no {folder} in {REAL}; set SIGMASCOPE_DATA_DIR")
    return DataFiles(data_dir=REAL)


# ---- offline


def test_the_built_in_mnist() -> None:
    data = load_offline("mnist-builtin")
    assert data.train_x.shape == (10_000, 784)
    assert data.test_x.shape == (2_000, 784)
    assert data.image_shape == (1, 28, 28)
    assert torch.bincount(data.train_y).tolist() == [1000] * 10
    assert torch.bincount(data.test_y).tolist() == [200] * 10
    # 10,000 of the 60,000 images that the constants were measured on
    assert data.train_x.mean().item() == pytest.approx(0, abs=0.02)
    assert data.train_x.std().item() == pytest.approx(1, abs=0.02)
    folder = Path(worker.datasets.builtin.__file__).parent
    assert (folder / "mnist.npz").stat().st_size < 3_000_000
    assert "Share Alike 3.0" in (folder / "LICENSE-MNIST.txt").read_text()


def test_real_digits_can_be_told_apart() -> None:
    # Nearest class mean: 82 % on MNIST, 10 % on noise
    data = load_offline("mnist-builtin")
    means = torch.stack([data.train_x[data.train_y == digit].mean(0) for digit in range(10)])
    guess = torch.cdist(data.test_x, means).argmin(1)
    assert (guess == data.test_y).float().mean().item() > 0.78


def test_the_teacher_is_fixed_and_can_be_learned() -> None:
    small = Teacher(features=20, classes=4, train=2000, test=500, seed=3)
    data, again = gaussian_teacher(small), gaussian_teacher(small)
    assert torch.equal(data.train_x, again.train_x)
    assert torch.equal(data.test_y, again.test_y)
    assert data.provenance == again.provenance
    assert "seed 3" in data.provenance["source"]
    assert not torch.equal(data.train_x, gaussian_teacher(replace(small, seed=4)).train_x)
    assert data.image_shape == (1, 1, 20)
    # 40,000 standard normal numbers: standard error 0.005
    assert data.train_x.mean().item() == pytest.approx(0, abs=0.02)
    assert data.train_x.std().item() == pytest.approx(1, abs=0.02)
    # the labels are linear in x, so least squares on one-hot labels finds most of them; chance is 25 %
    targets = torch.nn.functional.one_hot(data.train_y, 4).float()
    guess = (data.test_x @ torch.linalg.lstsq(data.train_x, targets).solution).argmax(1)
    assert (guess == data.test_y).float().mean().item() > 0.7


def test_the_standard_library_is_a_text() -> None:
    data = load_text("python-stdlib", context=64)
    assert 1_000_000 < len(data.train) + len(data.test) < 2_000_000
    assert data.vocabulary.isascii()
    assert "import" in data.decode(data.train[:5000])
    assert data.provenance == load_text("python-stdlib", context=64).provenance
    text = data.decode(torch.cat([data.train, data.test]))
    assert data.provenance["sha256"] == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("name", OFFLINE)
def test_the_defaults_need_neither_files_nor_a_network(name: str) -> None:
    data = load(name, context=32)
    assert set(data.provenance) == {"source", "extent", "sha256", "licence"}
    assert any(character.isdigit() for character in data.provenance["extent"])
    check_interface(data)


# ---- one interface


def check_interface(data: Images | Text) -> None:
    """What the training loop relies on, for every data set."""
    indices = batch_indices(data.sample_count, batch_size=8, step=3, seed=1)
    x, y = data.batch(indices)
    assert len(x) == len(y) == 8
    assert y.dtype == torch.int64
    assert 0 <= int(y.min()) <= int(y.max()) < data.classes
    tests = list(data.test_batches(6, limit=10))
    assert [len(x) for x, _ in tests] == [6, 4]
    assert all(len(x) == len(y) for x, y in tests)
    moved = data.to(torch.device("cpu"))
    assert torch.equal(moved.batch(indices)[0], x)
    assert moved.provenance == data.provenance


def test_windows_of_a_text() -> None:
    text = "abcdefghij" * 20
    data = from_string(text, context=5, provenance={})
    assert (data.classes, data.sample_count) == (10, 180 - 5)
    x, y = data.batch(torch.tensor([0, 3, data.sample_count - 1]))
    assert [data.decode(row) for row in x] == ["abcde", "defgh", "efghi"]
    assert [data.decode(row) for row in y] == ["bcdef", "efghi", "fghij"]
    windows = [row for x, _ in data.test_batches(2) for row in x]
    assert "".join(map(data.decode, windows)) == text[180:195]  # whole windows that have a successor


def test_training_windows_never_reach_into_the_test_split() -> None:
    data = from_string("a" * 90 + "b" * 10, context=9, provenance={})
    x, y = data.batch(torch.arange(data.sample_count))
    assert data.vocabulary == "ab"
    assert not x.any()
    assert not y.any()
    assert all(x.all() and y.all() for x, y in data.test_batches(1))


def test_bad_texts() -> None:
    with pytest.raises(
        InvalidValueError, match=r"100 characters is too short for a context of 10.*at most 9"
    ):
        from_string("ab" * 50, context=10, provenance={})
    assert from_string("ab" * 50, context=9, provenance={}).sample_count == 81
    with pytest.raises(InvalidValueError, match="too short"):
        from_string("", context=1, provenance={})
    with pytest.raises(InvalidValueError, match="at least 1 character, got 0"):
        from_string("ab" * 50, context=0, provenance={})
    with pytest.raises(InvalidValueError, match="300 different characters"):
        from_string("".join(map(chr, range(300))) * 20, context=2, provenance={})


@given(st.text(min_size=40, max_size=200), st.integers(1, 3))
@settings(max_examples=15, deadline=None)
def test_any_text_comes_back(text: str, context: int) -> None:
    data = from_string(text, context=context, provenance={})
    assert data.decode(torch.cat([data.train, data.test])) == text


def test_batches_are_a_function_of_seed_and_step_and_cover_an_epoch() -> None:
    first = [batch_indices(100, batch_size=32, step=step, seed=1) for step in (1, 2, 3, 4)]
    again = batch_indices(100, batch_size=32, step=3, seed=1)
    assert torch.equal(first[2], again)
    assert len(torch.cat(first[:3]).unique()) == 96
    assert not torch.equal(first[0], first[3])
    assert not torch.equal(first[0], batch_indices(100, batch_size=32, step=1, seed=2))


def test_a_batch_that_is_changed_changes_no_other() -> None:
    batch_indices(50, batch_size=10, step=1, seed=7).zero_()
    assert len(batch_indices(50, batch_size=10, step=1, seed=7).unique()) == 10


@pytest.mark.parametrize(("size", "limit"), [(10, None), (10, 10), (10, 99), (10, 3), (1000, 7), (7, 1)])
def test_a_limited_evaluation_spans_the_split(size: int, limit: int | None) -> None:
    chosen = evenly_spaced(size, limit=limit)
    count = min(size, limit or size)
    assert len(chosen.unique()) == count
    assert int(chosen[0]) == 0
    assert int(chosen[-1]) >= size - -(-size // count)
    with pytest.raises(InvalidValueError, match="limit must be at least 1, got 0"):
        evenly_spaced(size, limit=0)


def test_bad_names_and_sizes() -> None:
    with pytest.raises(InvalidValueError, match=r"'imagenet'.*mnist-builtin"):
        load_offline("imagenet")
    with pytest.raises(InvalidValueError, match=r"'imagenet'.*cifar100.*shakespeare"):
        load("imagenet", context=1)
    with pytest.raises(InvalidValueError, match=r"'mnist'.*python-stdlib, shakespeare"):
        load_text("mnist", context=1)
    with pytest.raises(InvalidValueError, match=r"100 samples, got 101"):
        batch_indices(100, batch_size=101, step=1, seed=0)


@pytest.mark.parametrize("name", sorted(set(IMAGES + TEXTS) - set(OFFLINE)))
def test_a_missing_file_names_itself_and_both_ways(name: str, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"missing: set SIGMASCOPE_DATA_DIR .*download from https://"):
        load(name, context=8)
    with pytest.raises(NotFoundError, match=f"{tmp_path}/[^ ]+/[^ ]+ .*SIGMASCOPE_DATA_DIR .*https://"):
        load(name, DataFiles(data_dir=tmp_path), context=8)


# ---- MNIST's layout


def idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def small_mnist() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    contents = {}
    for split, count in (("train", 30), ("t10k", 20)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        contents[f"{split}-images-idx3-ubyte"] = idx_bytes(images)
        contents[f"{split}-labels-idx1-ubyte"] = idx_bytes(np.arange(count, dtype=np.uint8) % 10)
    return contents


def small_set(contents: dict[str, bytes], **changes: object) -> IdxSet:
    """An IDX set with the checksums of ``contents``, gzipped without a time stamp."""
    packed = {name: zipped(data) for name, data in contents.items()}
    return replace(MNIST, md5=md5(packed), content_md5=md5(contents), **changes)  # type: ignore[arg-type]


def md5(contents: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.md5(data).hexdigest() for name, data in contents.items()}  # noqa: S324


def zipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def write(folder: Path, contents: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        (folder / name).write_bytes(zipped(data) if name.endswith(".gz") else data)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_idx_files_plain_or_gzipped(tmp_path: Path, ending: str) -> None:
    contents = small_mnist()
    write(tmp_path / "mnist", {name + ending: data for name, data in contents.items()})
    data = load_idx(small_set(contents), DataFiles(data_dir=tmp_path))
    pixels = np.frombuffer(contents[NAMES[0]], np.uint8, offset=16).reshape(30, 784)
    expected = (pixels.astype(np.float64) / 255 - MNIST.mean) / MNIST.std
    # float32 arithmetic: three roundings of numbers below 3
    assert np.abs(data.train_x.numpy() - expected).max() < 1e-6
    assert data.train_y.tolist() == [digit % 10 for digit in range(30)]
    assert data.provenance["sha256"] == hashlib.sha256(b"".join(contents.values())).hexdigest()
    check_interface(data)


def test_damaged_idx_files(tmp_path: Path) -> None:
    contents = small_mnist()
    source, files = small_set(contents), DataFiles(data_dir=tmp_path)
    images, labels = NAMES[:2]

    def refused(name: str, data: bytes, message: str) -> None:
        write(tmp_path / "mnist", contents | {name: data})
        with pytest.raises(InvalidValueError, match=message) as caught:
            load_idx(source, files)
        assert name in str(caught.value)
        assert "fetch it again" in str(caught.value)

    size = len(contents[images])
    refused(images, contents[images][:-1], rf"takes {size} bytes, and it holds {size - 1}")
    refused(images, b"", "found 0 bytes that start with nothing")
    refused(images, b"<html>not found</html>", "expected a header of 16 bytes")
    refused(images, contents[labels], "no IDX file of 3 dimensions")
    refused(labels, contents[labels][:-1] + b"\x0b", "labels below 10, found 11")
    refused(labels, idx_bytes(np.zeros(29, np.uint8)), r"do not belong together.*\(29,\)")
    refused(images, idx_bytes(np.zeros((30, 8, 8), np.uint8)), r"28 x 28 images.*\(30, 8, 8\)")


def test_a_cut_or_flipped_gzip_stream(tmp_path: Path) -> None:
    contents = small_mnist()
    write(tmp_path / "mnist", {f"{name}.gz": data for name, data in contents.items()})
    path = tmp_path / "mnist" / f"{NAMES[0]}.gz"
    whole = path.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for damaged in (whole[:-100], flipped, b"not gzip"):
        path.write_bytes(damaged)
        with pytest.raises(InvalidValueError, match=rf"{path} .*; fetch it again"):
            load_idx(small_set(contents), DataFiles(data_dir=tmp_path))


def test_a_flipped_pixel_is_seen_by_the_published_checksum(tmp_path: Path) -> None:
    contents = small_mnist()
    source, good = small_set(contents), contents[NAMES[0]]
    expected = rf"corrupt: expected MD5 {source.content_md5[NAMES[0]]}.*, found \w+;"
    for ending in ("", ".gz"):
        packed = {name + ending: data for name, data in contents.items()}
        folder = tmp_path / f"data{ending}"
        write(folder / "mnist", packed)
        load_idx(source, DataFiles(data_dir=folder))
        write(folder / "mnist", {NAMES[0] + ending: good[:-1] + bytes([good[-1] ^ 1])})
        with pytest.raises(InvalidValueError, match=expected):
            load_idx(source, DataFiles(data_dir=folder))


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_digits_in_the_folder_of_clothes_are_refused(tmp_path: Path, ending: str) -> None:
    (tmp_path / FASHION_MNIST.folder).mkdir()
    digits = real("mnist").data_dir
    assert digits
    for name in NAMES:
        packed = (digits / "mnist" / f"{name}.gz").read_bytes()
        path = tmp_path / FASHION_MNIST.folder / f"{name}{ending}"
        path.write_bytes(packed if ending else gzip.decompress(packed))
    with pytest.raises(InvalidValueError, match=r"train-images.* is corrupt: expected MD5 f4a8.*fetch it"):
        load_images("fashion-mnist", DataFiles(data_dir=tmp_path))


@given(st.binary(max_size=64), st.sampled_from([1, 3]))
@settings(max_examples=60, deadline=None)
def test_no_bytes_are_read_past_the_header(data: bytes, dimensions: int) -> None:
    header = bytes((0, 0, 8, dimensions)) + data
    for raw in (data, header):
        try:
            array = parse_idx(Content(raw, "x"), dimensions=dimensions)
        except InvalidValueError:
            continue
        assert array.size == len(raw) - 4 - 4 * dimensions


# ---- CIFAR's layout


def cifar_bytes(count: int, *, label_bytes: int = 1, seed: int = 0) -> bytes:
    records = np.random.default_rng(seed).integers(0, 256, (count, label_bytes + 3072), dtype=np.uint8)
    records[:, :label_bytes] = np.arange(count)[:, None] % 10
    return records.tobytes()


def test_cifar_planes_become_channels() -> None:
    raw = bytes([4, 7]) + bytes([1] * 1024 + [2] * 1024 + [3] * 1024)
    pixels, labels = parse_cifar(Content(raw, "x"), label_bytes=2, classes=100)
    assert labels.tolist() == [7]  # the fine label
    assert [set(plane.ravel().tolist()) for plane in pixels[0]] == [{1}, {2}, {3}]


def small_cifar(folder: Path, *, ending: str = "") -> CifarSet:
    """All official files of a small CIFAR-10, written to ``folder``; the set that they are."""
    names = [batch.name for batch in (*CIFAR10.train, CIFAR10.test)]
    contents = {name: cifar_bytes(10 + seed, seed=seed) for seed, name in enumerate(names)}
    write(folder, {name + ending: data for name, data in contents.items()})
    *train, test = (
        Batch(name, len(data) // 3073, hashlib.sha1(data).hexdigest())  # noqa: S324
        for name, data in contents.items()
    )
    return replace(CIFAR10, train=tuple(train), test=test)


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("name", CIFAR10.folders)
def test_the_official_cifar_files_plain_or_gzipped(tmp_path: Path, name: str, ending: str) -> None:
    source = small_cifar(tmp_path / name, ending=ending)
    # what is whole comes before a part
    write(tmp_path / CIFAR10.subset, {"data_batch_1.bin": b"no", "test_batch.bin": b"no"})
    data = load_cifar(source, DataFiles(data_dir=tmp_path))
    assert (data.sample_count, len(data.test_x)) == (10 + 11 + 12 + 13 + 14, 15)
    assert data.provenance["extent"] == "60 training and 15 test images"
    assert f"{name}/data_batch_5.bin{ending}" in data.provenance["source"]
    check_interface(data)


def test_official_names_stand_for_whole_files(tmp_path: Path) -> None:
    folder, files = tmp_path / "cifar-10-batches-bin", DataFiles(data_dir=tmp_path)
    source = small_cifar(folder)
    first = (folder / "data_batch_1.bin").read_bytes()

    def refused(data: bytes, message: str) -> None:
        write(folder, {"data_batch_1.bin": data})
        with pytest.raises(InvalidValueError, match=message) as caught:
            load_cifar(source, files)
        assert "fetch it again" in str(caught.value)

    short = r"data_batch_1.bin is truncated or corrupt: expected 30730 bytes, 10 images, found "
    refused(first[:-3073], rf"{short}27657; .* call the folder cifar-10-subset")
    refused(first[:-5], rf"{short}30725")
    refused(b"", rf"{short}0")
    sha1 = source.train[0].sha1
    refused(bytes(len(first)), rf"data_batch_1.bin is corrupt: expected SHA1 {sha1}.*, found \w+")
    refused(first[:-1] + bytes([first[-1] ^ 1]), rf"corrupt: expected SHA1 {sha1}")
    # damage is not passed over for a part of the data, nor for a download
    write(tmp_path / CIFAR10.subset, {"data_batch_1.bin": first, "test_batch.bin": first})
    refused(first[:-5], rf"{short}30725")


def test_official_files_come_all_together(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-bin"
    source = small_cifar(folder)
    for name in ("data_batch_2.bin", "test_batch.bin"):
        (folder / name).unlink()
    message = rf"{folder} lacks data_batch_2.bin, test_batch.bin: put them there.*cifar-10-subset"
    with pytest.raises(NotFoundError, match=message):
        load_cifar(source, DataFiles(data_dir=tmp_path, cache_dir=tmp_path / "cache"))


def test_the_published_lengths_and_checksums() -> None:
    # "each file should be exactly 30730000 bytes long": the publisher's page
    assert {batch.images * 3073 for batch in (*CIFAR10.train, CIFAR10.test)} == {30_730_000}
    assert [batch.images for batch in (*CIFAR100.train, CIFAR100.test)] == [50_000, 10_000]
    found = {batch.sha1 for one in (CIFAR10, CIFAR100) for batch in (*one.train, one.test)}
    assert {len(found), *map(len, found)} == {8, 40}


def test_any_number_of_batches_is_a_subset(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-subset"
    write(folder, {"data_batch_2.bin": cifar_bytes(12), "test_batch.bin.gz": cifar_bytes(11, seed=1)})
    files = DataFiles(data_dir=tmp_path)
    data = load_images("cifar10", files)
    assert (data.sample_count, len(data.test_x), data.image_shape) == (12, 11, (3, 32, 32))
    assert data.provenance["extent"] == "a subset: 12 training and 11 test images"
    check_interface(data)
    write(folder, {"data_batch_5.bin.gz": cifar_bytes(3, seed=2)})
    more = load_images("cifar10", files)
    assert more.sample_count == 15
    assert torch.equal(more.train_x[:12], data.train_x)
    assert "data_batch_5.bin.gz" in more.provenance["source"]
    assert more.provenance["sha256"] != data.provenance["sha256"]


def test_each_channel_is_standardised_by_its_own_constants(tmp_path: Path) -> None:
    raw = cifar_bytes(10)
    write(tmp_path / "cifar-10-subset", {"data_batch_1.bin": raw, "test_batch.bin": cifar_bytes(10, seed=1)})
    data = load_images("cifar10", DataFiles(data_dir=tmp_path))
    planes = np.frombuffer(raw, np.uint8).reshape(10, 3073)[:, 1:].reshape(10, 3, 1024) / 255
    expected = (planes - np.array(CIFAR10.mean)[:, None]) / np.array(CIFAR10.std)[:, None]
    # float32 arithmetic: three roundings of numbers below 3
    assert np.abs(data.train_x.numpy() - expected.reshape(10, -1)).max() < 1e-6


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (cifar_bytes(10)[:-5], cifar_bytes(10), r"data_batch_1.bin is truncated: .*3073 bytes.*found 30725"),
        (b"", cifar_bytes(10), "data_batch_1.bin is truncated: .*found 0"),
        (
            b"\x0a" + cifar_bytes(10)[1:],
            cifar_bytes(10),
            "data_batch_1.bin is corrupt: .*below 10, found 10",
        ),
        (
            bytes(30730),
            cifar_bytes(10),
            "data_batch_1.bin is corrupt: 10 of 10 images hold nothing but zeros",
        ),
        (cifar_bytes(20), cifar_bytes(12)[:-6146] + bytes(6146), "test_batch.bin is corrupt: 2 of 12 images"),
        (cifar_bytes(8), cifar_bytes(10), r"data_batch_1.bin is no subset .* 2 have no image \(8, 9\)"),
        (cifar_bytes(10), cifar_bytes(2), r"test_batch.bin .* 8 have no image \(2, 3, 4, 5, 6, ...\)"),
    ],
)
def test_damaged_cifar_files(tmp_path: Path, train: bytes, test: bytes, message: str) -> None:
    write(tmp_path / "cifar-10-subset", {"data_batch_1.bin": train, "test_batch.bin": test})
    with pytest.raises(InvalidValueError, match=message):
        load_images("cifar10", DataFiles(data_dir=tmp_path))


@pytest.mark.parametrize(
    ("there", "absent"), [("data_batch_1.bin", "test_batch.bin"), ("test_batch.bin", "data_batch_1.bin or ")]
)
def test_a_folder_that_has_one_split_alone(tmp_path: Path, there: str, absent: str) -> None:
    write(tmp_path / "cifar-10-subset", {there: cifar_bytes(10)})
    with pytest.raises(NotFoundError, match=f"{tmp_path}/cifar-10-subset lacks {absent}.*put it there"):
        load_images("cifar10", DataFiles(data_dir=tmp_path))


# ---- downloads, from a host on this machine


@dataclass(frozen=True)
class Host:
    url: str
    folder: Path
    requests: list[str]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    folder, requests = tmp_path / "host", []
    folder.mkdir()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            requests.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Host(f"http://127.0.0.1:{server.server_port}", folder, requests)
    server.shutdown()
    thread.join()
    server.server_close()


def test_idx_files_are_downloaded_once_and_checked(host: Host, tmp_path: Path) -> None:
    contents = small_mnist()
    write(host.folder, {f"{name}.gz": data for name, data in contents.items()})
    source = small_set(contents, host=host.url)
    files = DataFiles(cache_dir=tmp_path / "cache")
    data = load_idx(source, files)
    assert data.sample_count == 30
    assert sorted(host.requests) == sorted(f"/{name}.gz" for name in NAMES)
    again = load_idx(source, files)
    assert torch.equal(again.train_x, data.train_x)
    assert len(host.requests) == 4
    # a cached file that has rotted is fetched anew
    cached = tmp_path / "cache" / "mnist" / f"{NAMES[0]}.gz"
    cached.write_bytes(b"rot")
    assert torch.equal(load_idx(source, files).train_x, data.train_x)
    assert len(host.requests) == 5


def test_the_users_folder_comes_before_the_host(host: Host, tmp_path: Path) -> None:
    contents = small_mnist()
    write(tmp_path / "mine" / "mnist", contents)
    files = DataFiles(data_dir=tmp_path / "mine", cache_dir=tmp_path / "cache", mirror=host.url)
    assert load_idx(small_set(contents), files).sample_count == 30
    assert host.requests == []


def test_a_download_that_is_not_what_was_published(host: Host, tmp_path: Path) -> None:
    contents = small_mnist()
    write(host.folder, {f"{name}.gz": data for name, data in contents.items()})
    path = host.folder / f"{NAMES[0]}.gz"
    path.write_bytes(path.read_bytes()[:-50])
    source = small_set(contents)
    cache = tmp_path / "cache"
    with pytest.raises(
        InvalidValueError, match=rf"is not the published {NAMES[0]}.gz: .*expected .* got"
    ) as caught:
        load_idx(source, DataFiles(cache_dir=cache, mirror=f"{host.url}/"))
    assert source.md5[NAMES[0]] in str(caught.value)
    assert [path for path in cache.rglob("*") if path.is_file()] == []  # nothing half-made stays


def test_a_host_that_does_not_answer_or_has_no_such_file(host: Host, tmp_path: Path) -> None:
    files = DataFiles(data_dir=tmp_path, cache_dir=tmp_path / "cache", mirror=host.url)
    message = rf"{tmp_path}/mnist/{NAMES[0]} is missing: .*SIGMASCOPE_DATA_DIR.*{host.url}.*404"
    with pytest.raises(NotFoundError, match=message):
        load_images("mnist", files)
    nowhere = replace(files, mirror="http://127.0.0.1:9")
    with pytest.raises(NotFoundError, match=r"make http://127.0.0.1:9/input.txt reachable"):
        load_text("shakespeare", nowhere, context=8)


def archive(path: Path, contents: dict[str, bytes]) -> str:
    """Write a .tar.gz; its checksum as pooch wants it."""
    with tarfile.open(path, "w:gz") as tar:
        for name, data in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return f"md5:{hashlib.md5(path.read_bytes()).hexdigest()}"  # noqa: S324


def archived(host: Host, contents: dict[str, bytes]) -> CifarSet:
    checksum = archive(host.folder / "cifar-10-binary.tar.gz", contents)
    return replace(CIFAR10, archive=Published("cifar-10-binary.tar.gz", host.url, checksum))


def test_the_cifar_archive(host: Host, tmp_path: Path) -> None:
    inside = f"{CIFAR10.inside}/"
    batches = {f"{inside}{batch.name}": cifar_bytes(4, seed=seed) for seed, batch in enumerate(CIFAR10.train)}
    # archives hold other things too, and may not keep the order
    contents = {
        f"{inside}readme.html": b"hello",
        f"{inside}{CIFAR10.test.name}": cifar_bytes(10, seed=9),
    } | batches
    data = load_cifar(archived(host, contents), DataFiles(cache_dir=tmp_path / "cache"))
    assert (data.sample_count, len(data.test_x)) == (20, 10)
    pixels = np.frombuffer(batches[f"{inside}data_batch_3.bin"], np.uint8).reshape(4, 3073)
    assert data.train_y[8:12].tolist() == pixels[:, 0].tolist()
    check_interface(data)


def test_an_archive_that_lacks_a_file(host: Host, tmp_path: Path) -> None:
    source = archived(host, {f"{CIFAR10.inside}/data_batch_1.bin": cifar_bytes(2)})
    with pytest.raises(InvalidValueError, match=r"cifar-10-binary.tar.gz holds no .*data_batch_2.bin"):
        load_cifar(source, DataFiles(cache_dir=tmp_path / "cache"))


def test_no_pickle_is_ever_read() -> None:
    sources = Path(cifar.__file__).parent.glob("*.py")
    assert not [
        path.name for path in sources if "pickle." in path.read_text() or "torch.load" in path.read_text()
    ]


# ---- the real files, where they are


def test_the_whole_of_mnist() -> None:
    data = load_images("mnist", real("mnist"))
    assert (data.sample_count, len(data.test_x)) == (60_000, 10_000)
    # the constants were measured on this very split, to four digits
    assert data.train_x.mean().item() == pytest.approx(0, abs=5e-4)
    assert data.train_x.std().item() == pytest.approx(1, abs=5e-4)
    builtin = load_images("mnist-builtin")
    first = builtin.train_x[0]
    assert (data.train_x == first).all(1).any()
    check_interface(data)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_real_cifar(name: str) -> None:
    data = load_images(name, real(f"cifar-{name[5:]}-subset"))
    assert data.sample_count >= 10_000
    assert torch.bincount(data.train_y).tolist() == [data.sample_count // data.classes] * data.classes
    # a subset of what the constants were measured on; the standard error of a channel's mean is 0.005
    channels = data.train_x.view(-1, *data.image_shape)
    assert channels.mean((0, 2, 3)).abs().max().item() < 0.03
    assert (channels.std((0, 2, 3)) - 1).abs().max().item() < 0.03
    check_interface(data)


def test_shakespeare(tmp_path: Path) -> None:
    data = load_text("shakespeare", real("tinyshakespeare"), context=256)
    assert (data.classes, len(data.train), len(data.test)) == (65, 1_003_854, 111_540)  # as in nanoGPT
    assert data.decode(data.train[:14]) == "First Citizen:"
    check_interface(data)
    copy = shutil.copytree(
        REAL / "tinyshakespeare", tmp_path / "tinyshakespeare", copy_function=shutil.copyfile
    )
    copy.chmod(0o700)
    whole = (copy / "input.txt").read_bytes()
    (copy / "input.txt").write_bytes(whole[:-1])
    with pytest.raises(
        InvalidValueError, match=r"expected 1115394 bytes with SHA-256 \w+, found 1115393 with"
    ):
        load_text("shakespeare", DataFiles(data_dir=tmp_path), context=256)


def test_the_published_checksums_are_well_formed() -> None:
    for source in (MNIST, FASHION_MNIST):
        assert set(source.md5) == set(source.content_md5) == set(NAMES)
    sums = {
        *MNIST.md5.values(),
        *MNIST.content_md5.values(),
        *FASHION_MNIST.md5.values(),
        *FASHION_MNIST.content_md5.values(),
    }
    assert len(sums) == 16
    assert {len(md5) for md5 in sums} == {32}
    for archived in (CIFAR10, CIFAR100):
        assert len(archived.archive.checksum) == len("md5:") + 32
