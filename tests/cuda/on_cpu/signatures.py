"""The kernels that a CUDA text declares, and what may be passed for each of their parameters."""

import re
from dataclasses import dataclass

import numpy as np

from .arrays import DeviceArray
from .machine import here
from .memory import MemoryPointer

_KERNEL = re.compile(
    r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\s*\(([^)]*)\)\s*)?(\w+)\s*\(([^)]*)\)\s*(?=\{)'
)
_MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+([\w ]+)$", re.MULTILINE)
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_TYPES = {
    "bool": np.bool_,
    "char": np.int8,
    "signed char": np.int8,
    "unsigned char": np.uint8,
    "short": np.int16,
    "unsigned short": np.uint16,
    "int": np.int32,
    "unsigned": np.uint32,
    "unsigned int": np.uint32,
    "long long": np.int64,
    "long": np.int64,
    "unsigned long long": np.uint64,
    "unsigned long": np.uint64,
    "size_t": np.uint64,
    "int8_t": np.int8,
    "uint8_t": np.uint8,
    "int32_t": np.int32,
    "uint32_t": np.uint32,
    "int64_t": np.int64,
    "uint64_t": np.uint64,
    "__half": np.float16,
    "half": np.float16,
    "float": np.float32,
    "double": np.float64,
}


@dataclass(frozen=True)
class Parameter:
    """`base` is the type without const and *; `text` is as C needs it for a variable."""

    name: str
    text: str
    base: str
    pointer: bool

    @classmethod
    def parse(cls, declaration):
        declaration = re.sub(r"\b__restrict__\b|\bstruct\b", " ", declaration)
        found = re.fullmatch(r"\s*(.*?)(\w+)\s*", declaration, re.DOTALL)
        kind, name = " ".join(found[1].split()), found[2]
        base = " ".join(re.sub(r"\bconst\b|\*", " ", kind).split())
        pointer = kind.count("*")
        assert pointer <= 1, f"{declaration.strip()}: pointers to pointers are not modelled"
        assert pointer or base in _TYPES, f"{declaration.strip()}: a scalar type that is not modelled"
        return cls(name, kind if pointer else base, base, bool(pointer))

    def check(self, value):
        """(chunk or None, scalar or address); AssertionError unless cupy would pass what the kernel declares."""
        return self._array(value) if self.pointer else (None, self._scalar(value))

    def _scalar(self, value):
        wanted = _TYPES[self.base]
        right = isinstance(value, np.generic) and value.dtype == wanted
        assert right, (
            f"parameter {self.base} {self.name} takes numpy.{wanted.__name__}, got {type(value).__name__} {value!r}"
        )
        return value

    def _array(self, value):
        what = f"parameter {self.text} {self.name}"
        if value is None or (isinstance(value, int) and value == 0 and not isinstance(value, bool)):
            return None, np.uint64(0)
        if isinstance(value, MemoryPointer):
            return value.mem.chunk, np.uint64(value.ptr)
        assert isinstance(value, DeviceArray), f"{what} takes an array of the GPU, got {type(value).__name__}"
        wanted = [np.dtype(kind) for kind in _pointees(self.base)]
        assert value.dtype in wanted, f"{what} takes {wanted[0]}, got an array of {value.dtype}"
        assert value.flags.c_contiguous, f"{what}: not C-ordered {value.shape}, strides {value.strides}; pass its .data"
        assert value.device.id == here().local.device, f"{what}: an array of GPU {value.device.id}"
        return value.block.chunk, np.uint64(value.data.ptr)


def _expanded(text, macros):
    return re.sub(r"\w+", lambda found: macros.get(found[0], found[0]), text)


def _pointees(base):
    """Element types of arrays that may be passed as `base*`: of structs and vectors, what they consist of."""
    if base == "unsigned char":
        return [np.uint8, np.bool_]
    vector = re.fullmatch(r"(u?)(char|int|float|double)[234]", base)
    if vector:
        return [_TYPES[("unsigned " if vector[1] else "") + vector[2]]]
    return [_TYPES.get(base, np.uint8)]


def kernels(text, macros):
    """Parameters by name of the kernel, and its largest block, for every `extern "C" __global__ void` in the text.

    `macros` are those of the options; they and those of the text may name types.
    """
    plain = _COMMENT.sub(" ", text)
    known = {**{found[1]: found[2].strip() for found in _MACRO.finditer(plain)}, **macros}
    found = {}
    for bound, name, declared in _KERNEL.findall(plain):
        parameters = [
            Parameter.parse(_expanded(one, known)) for one in declared.split(",") if one.strip() not in ("", "void")
        ]
        first = _expanded(bound.split(",")[0].strip(), known)
        found[name] = parameters, int(first) if first.isdigit() else 1024
    assert len(found) == plain.count("__global__"), 'every kernel is to be declared `extern "C" __global__ void`'
    return found
