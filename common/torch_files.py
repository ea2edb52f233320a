"""Reads the tensors of PyTorch's files (`pytorch_model.bin`) without PyTorch and without executing anything.

Since PyTorch 1.6 such a file is a zip. It holds the bytes of the tensors, not compressed, and a pickle that says which
tensor is where. A pickle is a program that may call any function. Here a small interpreter follows the few instructions
that `torch.save` writes for a dict of tensors. It refuses all others, and nothing that a pickle names is looked up.
"""

import io
import math
import mmap
import pickletools
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from common.cli import UserError

LIMIT = 2**20  # bytes of the pickle and of the zip's directory. Those of a large BERT have 60,000
DTYPES = {
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.DoubleStorage": np.dtype("<f8"),
    "torch.HalfStorage": np.dtype("<f2"),
    "torch.BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "torch.LongStorage": np.dtype("<i8"),
    "torch.IntStorage": np.dtype("<i4"),
    "torch.ShortStorage": np.dtype("<i2"),
    "torch.CharStorage": np.dtype("i1"),
    "torch.ByteStorage": np.dtype("u1"),
    "torch.BoolStorage": np.dtype("?"),
}
DICT = "collections.OrderedDict"
TENSOR = "torch._utils._rebuild_tensor_v2"
PARAMETERS = {"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"}
GLOBALS = {DICT, TENSOR, *PARAMETERS, *DTYPES}
CURE = "fetch it again, or convert it to model.safetensors as data/README.md says"


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Return the tensors that a file of PyTorch names, each in its own dtype.

    The arrays show the file, which is mapped into memory. Writing to them does not change it.

    Raises UserError if the file is not a dict of tensors in the form of PyTorch 1.6 and later, if it is damaged, and
    if its pickle holds anything else than such a dict needs.
    """
    try:
        with _Bounded(path) as file:
            mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
            if mapped[:2] != b"PK":
                raise ValueError("it is not a zip, as PyTorch writes since its version 1.6")
            content = _Interpreter(_entries(file, mapped), len(mapped)).run()
    except (OSError, RuntimeError, ValueError, OverflowError, struct.error) as error:
        raise UserError(f"{path}: not a readable PyTorch file: {error}; {CURE}") from error
    tensors = {name: value for name, value in content.items() if isinstance(value, np.ndarray)}
    if not tensors:
        raise UserError(f"{path}: expected a dict of tensors, found none in it; {CURE}")
    return tensors


class _Bounded(io.FileIO):
    """A file that refuses to be read in large pieces, because zipfile reads the directory of a zip as one."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > LIMIT:
            raise ValueError(f"the directory of the zip has {size} bytes, at most {LIMIT} are read")
        return super().read(size)


def _entries(file: io.FileIO, mapped: memoryview) -> dict[str, memoryview]:
    """Return {name without the folder that all entries are in: its bytes in the mapped file}."""
    try:
        directory = zipfile.ZipFile(file).infolist()
    except zipfile.BadZipFile as error:
        raise ValueError(f"the zip is damaged or cut off ({error})") from error
    names = [entry.filename.partition("/")[2] for entry in directory]
    if "constants.pkl" in names:
        raise ValueError("it is a program (TorchScript), not a dict of tensors")
    found: dict[str, memoryview] = {}
    for name, entry in zip(names, directory, strict=True):
        if name in found:
            raise ValueError(f"the zip has two entries {_quoted(name)}")
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
            raise ValueError(f"the entry {_quoted(name)} is compressed or encrypted, which PyTorch never does")
        header = mapped[entry.header_offset :][:30]
        lengths = (int.from_bytes(header[i : i + 2], "little") for i in (26, 28))  # of the name and of what follows it
        start = entry.header_offset + 30 + sum(lengths)
        if header[:4] != b"PK\3\4" or start + entry.file_size > len(mapped):
            raise ValueError(f"the entry {_quoted(name)} is cut off")
        found[name] = mapped[start : start + entry.file_size]
    if found.get("byteorder", b"little") != b"little":
        raise ValueError("its numbers are big-endian")
    if len(found.get("data.pkl", b"")) > LIMIT:
        raise ValueError(f"its pickle has more than {LIMIT} bytes")
    return found


def _quoted(text: str) -> str:
    return ascii(text[:80])


class _Name(str):
    """The name of a function or class that a pickle may use. Its text is compared, and nothing is looked up by it."""


@dataclass(frozen=True)
class _Storage:
    """The numbers that one tensor or several share."""

    data: memoryview
    dtype: np.dtype


class _Interpreter:
    """Follows the pickle of a file.

    No instruction makes more than one small object, and nothing here goes into nested values: keys of dicts are
    strings, and values are neither compared nor printed. So the size of the pickle bounds time, memory and depth.
    """

    def __init__(self, entries: dict[str, memoryview], size: int) -> None:
        self.entries = entries
        self.size = size  # bytes of the file
        self.elements = 0  # of all tensors so far
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> dict[str, Any]:
        """Return the dict that the pickle makes. Raises ValueError if it is damaged or does anything else."""
        if "data.pkl" not in self.entries:
            raise ValueError("the zip has no data.pkl")
        try:
            for opcode, argument, _ in pickletools.genops(bytes(self.entries["data.pkl"])):
                self._step(opcode.name, argument)
            return _expect(self.stack.pop(), dict)
        except (IndexError, KeyError, TypeError) as error:
            raise ValueError("its pickle is damaged") from error

    def _step(self, opcode: str, argument: Any) -> None:
        stack = self.stack
        match opcode:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case "BINUNICODE" | "SHORT_BINUNICODE" | "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                stack.append(argument)
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[opcode])
            case "EMPTY_TUPLE" | "EMPTY_LIST" | "EMPTY_DICT":
                stack.append({"EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_DICT": dict}[opcode]())
            case "BINPUT" | "LONG_BINPUT" | "MEMOIZE":
                self.memo[len(self.memo) if opcode == "MEMOIZE" else argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case "MARK":
                self.marks.append(len(stack))
            case "TUPLE":
                stack.append(tuple(self._pop_to_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(self._pop(int(opcode[-1]))))
            case "APPEND" | "APPENDS":
                values = self._pop(1) if opcode == "APPEND" else self._pop_to_mark()
                _expect(stack[-1], list).extend(values)
            case "SETITEM" | "SETITEMS":
                values = self._pop(2) if opcode == "SETITEM" else self._pop_to_mark()
                for key, value in zip(values[::2], values[1::2], strict=False):
                    _expect(stack[-1], dict)[_expect(key, str)] = value
            case "BUILD":  # sets the attributes of a dict, namely the versions of the layers, which are not needed
                target, _ = self._pop(2)
                stack.append(_expect(target, dict))
            case "GLOBAL" | "STACK_GLOBAL":
                names = argument.split(" ") if opcode == "GLOBAL" else self._pop(2)
                stack.append(_global(".".join(_expect(name, str) for name in names)))
            case "BINPERSID":
                stack.append(self._storage(*_expect(stack.pop(), tuple)))
            case "REDUCE":
                function, arguments = self._pop(2)
                stack.append(self._call(_expect(function, _Name), *_expect(arguments, tuple)))
            case _:
                raise ValueError(f"its pickle has the instruction {opcode}, which no dict of tensors needs")

    def _pop(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise IndexError
        values = self.stack[-count:]
        del self.stack[-count:]
        return values

    def _pop_to_mark(self) -> list[Any]:
        mark = self.marks.pop()
        values = self.stack[mark:]
        del self.stack[mark:]
        return values

    def _storage(self, tag: Any, kind: Any, key: Any, place: Any, count: Any) -> _Storage:
        """Return the storage that a pickle refers to as ("storage", class, key, device, number of elements)."""
        dtype = DTYPES[_expect(kind, _Name)]
        data = self.entries.get(f"data/{_expect(key, str)}")
        if data is None:
            raise ValueError(f"the zip lacks the storage {_quoted(key)}")
        size = self._natural(count) * dtype.itemsize
        if size > len(data):
            raise ValueError(f"the storage {_quoted(key)} has {len(data)} bytes instead of {size}")
        return _Storage(data[:size], dtype)

    def _call(self, function: _Name, *arguments: Any) -> Any:
        """Return what the function of this name would make."""
        if function == DICT and not arguments:
            return {}
        if function in PARAMETERS and arguments:
            return _expect(arguments[0], np.ndarray)
        if function == TENSOR and len(arguments) in (6, 7):
            if arguments[6:] and arguments[6]:
                raise ValueError("a tensor has properties that are not supported")
            return self._tensor(*arguments[:4])
        raise ValueError(f"its pickle calls {function} in a way that PyTorch does not")

    def _tensor(self, storage: Any, offset: Any, shape: Any, strides: Any) -> np.ndarray:
        """Return a tensor that shows a part of a storage. Offset and strides are in elements."""
        data, dtype = _expect(storage, _Storage).data, storage.dtype
        offset = self._natural(offset)
        shape, strides = ([self._natural(n) for n in _expect(numbers, tuple)[:33]] for numbers in (shape, strides))
        if len(shape) > 32 or len(shape) != len(strides):
            raise ValueError(f"a tensor has {len(shape)} dimensions and {len(strides)} strides")
        elements = math.prod(shape)
        last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
        if elements and last * dtype.itemsize >= len(data):
            raise ValueError(f"a tensor reaches beyond the {len(data)} bytes of its storage")
        self.elements += elements
        if self.elements > self.size:
            raise ValueError("its tensors have more elements than the file has bytes")
        if not elements:
            return np.zeros(shape, dtype)
        return np.ndarray(shape, dtype, data, offset * dtype.itemsize, [stride * dtype.itemsize for stride in strides])

    def _natural(self, number: Any) -> int:
        """Return a number that counts something in the file."""
        if not 0 <= _expect(number, int) <= self.size:
            raise ValueError("a size, offset or stride of a tensor is negative or too large")
        return number


def _expect(value: Any, kind: type) -> Any:
    """Return a value that has to be of this type and of no other."""
    if type(value) is not kind:
        found, expected = (kind.__name__.strip("_").lower() for kind in (type(value), kind))
        raise ValueError(f"its pickle has {found} where PyTorch writes {expected}")
    return value


def _global(name: str) -> _Name:
    if name not in GLOBALS:
        raise ValueError(f"its pickle names {_quoted(name)}, which is refused")
    return _Name(name)
