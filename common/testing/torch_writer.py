"""Writes files as `torch.save` does, also hostile ones, without PyTorch.

Most functions return a part of a pickle, namely the instructions that make one value.
"""

import io
import pickle
import zipfile

import numpy as np


def text(value):
    return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()


def number(value):
    digits = pickle.encode_long(value)
    return b"\x8a" + bytes([len(digits)]) + digits


def several(*parts):
    """Return a tuple."""
    return b"(" + b"".join(parts) + b"t"


def named(module, name):
    return f"c{module}\n{name}\n".encode()


def ordered_dict():
    return named("collections", "OrderedDict") + b")R"


def storage(key, count, kind="FloatStorage"):
    return several(text("storage"), named("torch", kind), text(key), text("cpu"), number(count)) + b"Q"


def tensor(stored, offset, shape, strides):
    sizes = (several(*map(number, numbers)) for numbers in (shape, strides))
    arguments = several(stored, number(offset), *sizes, b"\x89", ordered_dict())
    return named("torch._utils", "_rebuild_tensor_v2") + arguments + b"R"


def program(**values):
    """Return a whole pickle, of a dict."""
    items = b"".join(text(name) + value for name, value in values.items())
    return b"\x80\x02" + ordered_dict() + b"(" + items + b"u."


def archive(content, entries, compression=zipfile.ZIP_STORED):
    """Return the file with a pickle and with storages by name.

    Args:
        content: the pickle.
        entries: [(name, bytes)], also twice the same name.
        compression: as in zipfile.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, data in [("data.pkl", content), *entries]:
            file.writestr(f"archive/{name}", data)
    return buffer.getvalue()


def saved(weights):
    """Return the file that `torch.save` would write for {name: float32 array}, all in one storage."""
    values, offset = {}, 0
    count = sum(array.size for array in weights.values())
    for name, array in weights.items():
        strides = [stride // 4 for stride in np.ascontiguousarray(array).strides]
        values[name] = tensor(storage("0", count), offset, array.shape, strides)
        offset += array.size
    return archive(program(**values), [("data/0", b"".join(array.tobytes() for array in weights.values()))])
