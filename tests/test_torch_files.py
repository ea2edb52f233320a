"""Tests of `common.torch_files`: files that PyTorch wrote, and damaged and hostile ones."""

import contextlib
import itertools
import pickle
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import torch_files
from common.checkpoints import read_weights
from common.cli import UserError
from common.encoder import resolve_encoder
from common.testing.torch_writer import (
    archive,
    named,
    number,
    ordered_dict,
    program,
    saved,
    several,
    storage,
    tensor,
    text,
)
from common.torch_files import read_tensors
from encoder_folders import IDS, load, pytorch_weights
from encoder_folders import folder as folder

TORCH = Path(__file__).parent / "pytorch"
MATRIX = np.arange(12, dtype=np.float32).reshape(3, 4)
EXPECTED = {
    "matrix": MATRIX,
    "transposed": MATRIX.T,
    "part": MATRIX[1:, ::2],
    "half": np.array([1, -3]),
    "bfloat16": np.array([1, -3]),
    "parameter": np.array([0.5]),
    "position_ids": np.arange(4)[None],
    "scalar": np.array(2),
}
NUMBERS = np.arange(6, dtype=np.float32).tobytes()
GOOD = tensor(storage("0", 6), 0, (2, 3), (3, 1))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("torch") / "pytorch_model.bin"


def refusal(path, content):
    """Return what follows the path in the message that refuses a file of this content."""
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read_tensors(path)
    (line,) = str(error.value).splitlines()
    assert line.startswith(f"{path}: ")
    assert line.endswith("; fetch it again, or convert it to model.safetensors as data/README.md says")
    return line.removeprefix(f"{path}: not a readable PyTorch file: ").rpartition(";")[0]


def tensors(path, content):
    path.write_bytes(content)
    return read_tensors(path)


@pytest.mark.parametrize("name", ["protocol2.bin", "protocol4.bin"])
def test_what_pytorch_wrote(name):
    found = read_tensors(TORCH / name)
    assert list(found) == list(EXPECTED)
    for key, value in EXPECTED.items():
        np.testing.assert_array_equal(found[key].astype(np.float32), value, key)
    assert {str(value.dtype) for value in found.values()} == {"float32", "float16", "bfloat16", "int64"}
    assert {str(value.dtype) for value in read_weights([TORCH / name]).values()} == {"float32"}


def test_arrays_can_be_changed_but_not_the_file(path):
    content = archive(program(a=GOOD), [("data/0", NUMBERS)])
    found = tensors(path, content)["a"]
    found += 1
    assert found.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("before_1.6.bin", "it is not a zip, as PyTorch writes since its version 1.6"),
        ("torchscript.bin", "it is a program (TorchScript), not a dict of tensors"),
    ],
)
def test_other_forms_are_named(path, name, message):
    assert refusal(path, (TORCH / name).read_bytes()) == message


class Call:
    """An object whose pickle calls a function."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call[0], self.call[1:]


HOSTILE = {
    "eval": (b"\x80\x02" + named("builtins", "eval") + several(text("1/0")) + b"R.", "names 'builtins.eval', which is"),
    "system": (b"\x80\x02" + named("os", "system") + several(text("false")) + b"R.", "names 'os.system', which is"),
    "by protocol 4": (pickle.dumps(Call(exec, "1/0"), 4), "names 'builtins.exec', which is refused"),
    "newlines": (b"\x80\x04" + text("os\n") + text("\x1b" * 99) + b"\x93.", r"names 'os\n.\x1b\x1b"),
    "dots": (b"\x80\x04" + text("torch") + text("_utils._rebuild_tensor_v2") + b"\x93)R.", "calls torch._utils._re"),
    "INST": (b"(ios\nsystem\n.", "has the instruction INST, which no dict of tensors needs"),
    "OBJ": (b"(" + named("collections", "OrderedDict") + b"o.", "has the instruction OBJ, which no dict"),
    "NEWOBJ": (named("collections", "OrderedDict") + b")\x81.", "has the instruction NEWOBJ, which no dict"),
    "EXT1": (b"\x82\x01.", "has the instruction EXT1, which no dict"),
    "REDUCE of text": (text("collections.OrderedDict") + b")R.", "has str where PyTorch writes name"),
    "REDUCE of a storage's class": (named("torch", "FloatStorage") + several(number(9)) + b"R.", "calls torch.FloatSt"),
    "REDUCE of a dict": (ordered_dict() + b")R.", "has dict where PyTorch writes name"),
    "BUILD of a tensor": (GOOD + b"}b.", "has ndarray where PyTorch writes dict"),
    "BUILD of a function": (named("torch", "FloatStorage") + b"}b.", "has name where PyTorch writes dict"),
    "deep tuples": (b"\x80\x02)" + b"\x85" * 500_000 + b".", "has tuple where PyTorch writes dict"),
    "deep keys": (b"\x80\x02})" + b"\x85" * 500_000 + b"Ns.", "has tuple where PyTorch writes str"),
    "deep lists": (b"]" * 300_000 + b"a" * 299_999 + b".", "has list where PyTorch writes dict"),
    "doubling": (b"\x80\x02)" + b"q\0h\0\x86" * 100_000 + b".", "has tuple where PyTorch writes dict"),
    "itself": (b"]q\0" + b"h\0a" * 1000 + b".", "has list where PyTorch writes dict"),
    "long number": (b"\x80\x02\x8b" + (2**31 - 1).to_bytes(4, "little"), "not enough data in stream to read long4"),
    "long text": (b"\x80\x02X\xff\xff\xff\xff", "expected 4294967295 bytes in a unicodestring4, but only"),
    "long bytes": (b"\x80\x02\x8e" + b"\xff" * 8, "bytes8 byte count > sys.maxsize"),
    "long frame": (b"\x80\x04\x95" + b"\xff" * 8 + b"}.", "expected a dict of tensors, found none in it"),
    "memo": (b"\x80\x02}r\xff\xff\xff\xff0.", "has the instruction POP, which"),
    "memo missing": (b"\x80\x02h\1.", "its pickle is damaged"),
    "empty stack": (b"\x80\x02.", "its pickle is damaged"),
    "no mark": (b"\x80\x02}u.", "its pickle is damaged"),
    "too long": (b"}" * 2**20 + b".", "its pickle has more than 1048576 bytes"),
    "a number": (number(1) + b".", "has int where PyTorch writes dict"),
    "a key": (b"}" + number(1) + GOOD + b"s.", "has int where PyTorch writes str"),
    "no tensors": (program(model=b"}"), "expected a dict of tensors, found none in it"),
}
TENSORS = {
    "no storage": (tensor(storage("1", 6), 0, (6,), (1,)), "the zip lacks the storage '1'"),
    "storage elsewhere": (tensor(storage("../data.pkl", 6), 0, (6,), (1,)), "the zip lacks the storage '../data.pkl'"),
    "short storage": (tensor(storage("0", 7), 0, (6,), (1,)), "the storage '0' has 24 bytes instead of 28"),
    "wide storage": (tensor(storage("0", 6, "LongStorage"), 0, (6,), (1,)), "the storage '0' has 24 bytes instead of"),
    "quantized": (tensor(storage("0", 6, "QInt8Storage"), 0, (6,), (1,)), "names 'torch.QInt8Storage', which is"),
    "beyond": (tensor(storage("0", 6), 1, (6,), (1,)), "a tensor reaches beyond the 24 bytes of its storage"),
    "beyond its part": (tensor(storage("0", 3), 0, (4,), (1,)), "a tensor reaches beyond the 12 bytes of its storage"),
    "overlong": (tensor(storage("0", 6), 0, (2**40, 2**40), (0, 0)), "is negative or too large"),
    "repeated": (tensor(storage("0", 6), 0, (100, 100), (0, 0)), "its tensors have more elements than the file"),
    "wraps": (tensor(storage("0", 6), 0, (2,), (2**62,)), "is negative or too large"),
    "negative stride": (tensor(storage("0", 6), 5, (6,), (-1,)), "is negative or too large"),
    "negative size": (tensor(storage("0", 6), 0, (-1,), (1,)), "is negative or too large"),
    "negative offset": (tensor(storage("0", 6), -1, (1,), (1,)), "is negative or too large"),
    "negative count": (tensor(storage("0", -1), 0, (1,), (1,)), "is negative or too large"),
    "huge size": (tensor(storage("0", 6), 0, (2**2000,), (1,)), "is negative or too large"),
    "true": (tensor(storage("0", 6), 0, (1,), (1,)).replace(number(0), b"\x88"), "has bool where PyTorch writes int"),
    "dimensions": (tensor(storage("0", 6), 0, (1,) * 33, (1,) * 33), "a tensor has 33 dimensions and 33 strides"),
    "strides": (tensor(storage("0", 6), 0, (1, 1), (1,)), "a tensor has 2 dimensions and 1 strides"),
    "no class": (tensor(several(text("storage"), text("0")) + b"Q", 0, (1,), (1,)), "its pickle is damaged"),
    "another tensor": (tensor(GOOD, 0, (1,), (1,)), "has ndarray where PyTorch writes storage"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_pickles_are_refused(path, case):
    content, message = HOSTILE[case]
    assert message in refusal(path, archive(content, [("data/0", NUMBERS)]))


@pytest.mark.parametrize("case", TENSORS)
def test_tensors_that_do_not_fit_their_storage_are_refused(path, case):
    value, message = TENSORS[case]
    assert message in refusal(path, archive(program(a=value), [("data/0", NUMBERS)]))


def test_zips_that_pytorch_does_not_write_are_refused(path):
    content = program(a=GOOD)
    with warnings.catch_warnings(action="ignore"):
        twice = archive(content, [("data/0", NUMBERS), ("data/0", NUMBERS)])
    assert refusal(path, twice) == "the zip has two entries 'data/0'"
    bomb = archive(content, [("data/0", bytes(10**7))], zipfile.ZIP_DEFLATED)
    assert "is compressed or encrypted, which PyTorch never does" in refusal(path, bomb)
    many = archive(content, [(f"data/{i}", b"") for i in range(20_000)])
    assert "the directory of the zip has" in refusal(path, many)
    assert refusal(path, archive(content, [("data/0", NUMBERS), ("byteorder", b"big")])) == "its numbers are big-endian"
    assert "damaged or cut off" in refusal(path, b"PK")
    assert refusal(path, b"") == "cannot mmap an empty file"


def test_a_file_cut_anywhere_is_refused(path):
    content = saved({"a": MATRIX})
    for length in range(len(content)):
        refusal(path, content[:length])


@given(st.data())
def test_a_damaged_file_is_refused_or_read(path, data):
    content = bytearray((TORCH / data.draw(st.sampled_from(["protocol2.bin", "protocol4.bin"]))).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(UserError):
        assert tensors(path, content)


@given(st.data())
def test_any_view_of_a_storage(path, data):
    count = data.draw(st.integers(1, 20))
    dimensions = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 8)), max_size=3)
    shape, strides = ([n for n, _ in pairs], [n for _, n in pairs]) if (pairs := data.draw(dimensions)) else ([], [])
    offset = data.draw(st.integers(0, 20))
    numbers = np.arange(count, dtype=np.float32)
    content = archive(program(a=tensor(storage("0", count), offset, shape, strides)), [("data/0", numbers.tobytes())])
    places = [
        offset + sum(i * stride for i, stride in zip(index, strides, strict=True))
        for index in itertools.product(*map(range, shape))
    ]
    if max(places, default=0) < count:
        np.testing.assert_array_equal(tensors(path, content)["a"], np.reshape(places, shape))
    else:
        assert "a tensor reaches beyond" in refusal(path, content)


@pytest.mark.parametrize("parts", [1, 2])
def test_an_encoder_gives_the_same_hidden_states_as_from_safetensors(folder, parts):
    expected = load(str(folder))[0]([IDS, 0 * IDS])
    (folder / "model.safetensors").unlink()
    weights = [*pytorch_weights().items()]
    for i in range(parts):
        name = f"pytorch_model-{i + 1:05}-of-{parts:05}.bin" if parts > 1 else "pytorch_model.bin"
        (folder / name).write_bytes(saved(dict(weights[i::parts])))
    (folder / "training_args.bin").write_bytes(b"\x80")
    assert [file.suffix for file in resolve_encoder(str(folder)).files] == [".bin"] * parts
    np.testing.assert_array_equal(load(str(folder))[0]([IDS, 0 * IDS]), expected)
    (folder / name).unlink()
    with pytest.raises(UserError, match="1 of 2 parts" if parts > 1 else "no weights"):
        resolve_encoder(str(folder))


def test_the_pickled_encoder_among_the_kinds_equals_transformers(shared):
    encoder = shared / "encoders" / "kinds" / "pickle"
    expected = np.load(encoder / "expected.npz")
    hidden = load(str(encoder))[0]([expected["ids"], expected["seg"]])
    attended = expected["att"] == 1
    np.testing.assert_allclose(hidden.numpy()[attended], expected["h"][attended], atol=1e-4)


def test_nothing_is_imported_that_unpickles():
    assert not {"pickle", "importlib", "torch"} & set(vars(torch_files))
