"""torch's files without torch."""

import io
import pickle
import sys
import types
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

STORAGES = {"float32": "FloatStorage", "int64": "LongStorage"}


class Storage:
    """Stands for a storage while it is pickled: the class to name, its key in the archive, its elements."""

    def __init__(self, kind, key, count):
        self.reference = ("storage", kind, key, "cpu", count)


class Tensor:
    """Pickles as torch's tensors do."""

    def __init__(self, rebuild, storage, array):
        strides = tuple(stride // array.itemsize for stride in array.strides)
        self.call = (rebuild, (storage, 0, array.shape, strides, False, OrderedDict()))

    def __reduce__(self):
        return self.call


class Pickler(pickle.Pickler):
    """Replaces storages by references, as torch.save does."""

    def persistent_id(self, thing):
        return thing.reference if isinstance(thing, Storage) else None


def rebuild_tensor(*arguments):
    raise AssertionError("nothing in a torch file may be called")


def place(monkeypatch, module, name, value):
    """Let `value` be `module.name`, where pickle looks for it."""
    value.__module__, value.__name__, value.__qualname__ = module, name, name
    if module not in sys.modules:
        monkeypatch.setitem(sys.modules, module, types.ModuleType(module))
    setattr(sys.modules[module], name, value)
    return value


@pytest.fixture
def save_torch():
    """A function (path, arrays by name) that writes the zip layout of torch.save."""

    def save(path, tensors):
        with pytest.MonkeyPatch.context() as patch:
            kinds = {key: place(patch, "torch", name, type(name, (), {})) for key, name in STORAGES.items()}
            rebuild = place(patch, "torch._utils", "_rebuild_tensor_v2", rebuild_tensor)
            arrays = {name: np.array(array, order="C") for name, array in tensors.items()}
            state = OrderedDict()
            for i, (name, array) in enumerate(arrays.items()):
                state[name] = Tensor(rebuild, Storage(kinds[array.dtype.name], str(i), array.size), array)
            described = io.BytesIO()
            Pickler(described, 2).dump(state)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", described.getvalue())
            archive.writestr("archive/byteorder", "little")
            for i, array in enumerate(arrays.values()):
                archive.writestr(f"archive/data/{i}", array.tobytes())

    return save
