"""cuDNN's convolutions, through the graph API of nvidia-cudnn-frontend (module `cudnn`).

Which of cuDNN's engines computes a convolution is decided by its heuristics alone, so that every run on one type of GPU
gives the same bits; by timing only where somebody asks for it (see cudnn_tuning.py). Engines that add up in an
undefined order are refused as long as another one is left; Plan.deterministic tells.

`build` needs no GPU if it is given cuDNN's description of one: that is how tests/cuda/test_cudnn_graphs.py makes the
plans of every kind of convolution for an H100.
"""

from __future__ import annotations

import re
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import Any, ClassVar

from ..array import Array, Shape
from .cudnn_convolution import ELEMENTS, Convolution, strides
from .cudnn_tuning import Trial, fastest
from .device import Device
from .scratch_memory import Arena, Claim

OLDEST_FRONTEND, OLDEST_LIBRARY = (1, 14), 90000

# Properties for which engines are refused. In "float32" no operand is rounded to fewer bits: TF32 runs on tensor
# cores only. Winograd's transforms of larger tiles lose three digits. No mode adds up in less than float32.
_REFUSED = {
    "float32": (
        "TENSOR_CORE",
        "DOWN_CONVERT_INPUTS",
        "REDUCED_PRECISION_REDUCTION",
        "WINOGRAD_TILE_6x6",
        "WINOGRAD_TILE_13x13",
    ),
    "tf32": ("DOWN_CONVERT_INPUTS", "REDUCED_PRECISION_REDUCTION", "WINOGRAD_TILE_6x6", "WINOGRAD_TILE_13x13"),
    "float16": ("REDUCED_PRECISION_REDUCTION",),
    "bfloat16": ("REDUCED_PRECISION_REDUCTION",),
}


class NoPlan(Exception):
    """cuDNN has no engine for that convolution under these conditions; the text is its own."""


@dataclass(frozen=True)
class Built:
    """A finished graph and its tensors: the two operands and what they make. `index`: of the plan that was chosen by
    timing.
    """

    graph: Any
    tensors: tuple[Any, Any, Any]
    workspace: int
    deterministic: bool
    index: int | None = None


@cache
def available() -> str | None:
    """None if cuDNN can be used as far as that can be told without a GPU; otherwise why not, in words."""
    try:
        cudnn = _load()
    except Exception as error:  # whatever a broken installation raises: the caller has another way
        return f"nvidia-cudnn-frontend cannot be imported: {error}"
    version = tuple(int(digits) for digits in re.findall(r"\d+", cudnn.__version__)[:2])
    if version < OLDEST_FRONTEND:
        return f"nvidia-cudnn-frontend {cudnn.__version__} is older than 1.14"
    try:
        library = cudnn.backend_version()
    except Exception as error:  # as above: without the library it depends on the version what comes
        return f"the library cuDNN cannot be loaded: {error}"
    return None if library >= OLDEST_LIBRARY else f"cuDNN {library} is older than {OLDEST_LIBRARY} (9.0)"


def build(wanted: Convolution, **where: Any) -> Built:
    """Plan `wanted` for the device in `where`: handle=, or device_property= and sm_version=. NoPlan if it cannot be."""
    cudnn, refusal = _load(), None
    for more in (("NONDETERMINISTIC",), ()):
        try:
            return _build(cudnn, wanted, more, where)
        except (cudnn.cudnnGraphNotSupportedError, RuntimeError) as error:
            refusal = error
    raise NoPlan(str(refusal)) from refusal


class Plan:
    """A planned convolution on one GPU. It does not depend on addresses, so layers of one shape share it."""

    def __init__(self, built: Built, handle: Any, workspace: Claim) -> None:
        self._graph, self._tensors, self._handle, self._workspace = built.graph, built.tensors, handle, workspace
        self.deterministic, self._index = built.deterministic, built.index

    def run(self, first: Array, second: Array, target: Array) -> None:
        """Queue it: operands in the order of Convolution.kind. Addresses are to be multiples of 16."""
        addresses = (array.data.ptr for array in (first, second, target))  # type: ignore[attr-defined]
        pointers = dict(zip(self._tensors, addresses, strict=True))
        workspace: Any = self._workspace.parts()[0]
        if self._index is None:
            self._graph.execute(pointers, workspace.data.ptr, handle=self._handle)
        else:
            self._graph.execute_plan_at_index(pointers, workspace.data.ptr, self._index, handle=self._handle)


class Cudnn:
    """cuDNN on one GPU: its handle, and the plans that were made. To be used while the device is active."""

    _known: ClassVar[weakref.WeakKeyDictionary[Device, Cudnn]] = weakref.WeakKeyDictionary()
    _making = threading.RLock()

    def __init__(self, device: Device) -> None:
        cudnn = _load()
        self._handle, self._device = cudnn.create_handle(), weakref.ref(device)
        cudnn.set_stream(handle=self._handle, stream=device.stream.ptr)
        self._arena = Arena.of(device, "cudnn")
        self._plans: dict[Convolution, Plan] = {}
        self.refused: dict[Convolution, str] = {}

    @classmethod
    def of(cls, device: Device) -> Cudnn | None:
        """cuDNN on that device; None if it is not to be had."""
        with cls._making:
            if device not in cls._known:
                # What tests put in cupy's place was not found by an import. Its memory is not a GPU's.
                if available() is not None or device.xp.__spec__ is None:
                    return None
                try:
                    cls._known[device] = cls(device)
                except RuntimeError:  # what create_handle raises where there is no GPU
                    return None
            return cls._known[device]

    def plan(self, wanted: Convolution) -> Plan | None:
        """The plan of that convolution; None if cuDNN has none (`refused` says why). Never to be called first while a
        graph is being captured."""
        with self._making:
            if wanted not in self._plans and wanted not in self.refused:
                try:
                    built = build(wanted, handle=self._handle)
                    built = _tuned(self._device(), wanted, built, self._handle)
                    self._plans[wanted] = Plan(built, self._handle, Claim(self._arena, [built.workspace]))
                except NoPlan as error:
                    self.refused[wanted] = str(error)
            return self._plans.get(wanted)


def _tuned(device: Device | None, wanted: Convolution, built: Built, handle: Any) -> Built:
    """The same with the plan that turned out to be the fastest, where `wanted` asks for it."""
    if not wanted.tune or device is None:
        return built
    refusals = RuntimeError, _load().cudnnGraphNotSupportedError
    trial = Trial(built.graph, built.tensors, wanted.sizes(), handle)
    choice = fastest(device, trial, wanted.workspace, refusals)
    if choice is None:
        return build(wanted, handle=handle)  # as trials have left the graph with another plan
    return replace(built, index=choice.index, workspace=choice.workspace)


@cache
def _load() -> Any:
    _load_runtime()
    return import_module("cudnn")


def _load_runtime() -> None:
    """The frontend looks for CUDA's runtime where the dynamic linker does, which is not where pip puts it."""
    try:
        import_module("cuda.pathfinder").load_nvidia_dynamic_lib("cudart")  # cupy brings it
    except Exception:  # then the linker has to find it: available() will tell
        return


def _build(cudnn: Any, wanted: Convolution, more: Sequence[str], where: dict[str, Any]) -> Built:
    element, single = getattr(cudnn.data_type, ELEMENTS[wanted.math]), cudnn.data_type.FLOAT
    graph = cudnn.pygraph(
        io_data_type=element, intermediate_data_type=single, compute_data_type=single, name=wanted.kind, **where
    )

    def tensor(name: str, shape: Shape) -> Any:
        return graph.tensor(name=name, dim=list(shape), stride=strides(shape, wanted.channels_last), data_type=element)

    tensors = _operation(graph, wanted, tensor)
    target = wanted.shapes()[2]
    tensors[2].set_output(True).set_data_type(element)
    tensors[2].set_dim(list(target)).set_stride(strides(target, wanted.channels_last))
    graph.validate()
    graph.build_operation_graph()
    modes = cudnn.heur_mode  # B ranks engines without tensor cores where A has none
    graph.create_execution_plans([modes.A, modes.B, modes.FALLBACK])
    notes = [getattr(cudnn.numerical_note, name, None) for name in (*_REFUSED[wanted.math], *more)]
    graph.deselect_numeric_notes([note for note in notes if note is not None])
    graph.deselect_workspace_greater_than(wanted.workspace)
    graph.check_support()
    graph.build_plans()
    return Built(graph, tensors, graph.get_workspace_size(), bool(more))


def _operation(graph: Any, wanted: Convolution, tensor: Any) -> tuple[Any, Any, Any]:
    geometry = {
        "padding": list(wanted.padding),
        "stride": list(wanted.stride),
        "dilation": list(wanted.dilation),
    }
    if wanted.kind == "fprop":
        image, filters = tensor("image", wanted.image), tensor("filters", wanted.filters)
        return image, filters, graph.conv_fprop(image=image, weight=filters, **geometry)
    loss = tensor("loss", wanted.result)
    if wanted.kind == "dgrad":
        filters = tensor("filters", wanted.filters)
        return loss, filters, graph.conv_dgrad(loss=loss, filter=filters, **geometry)
    image = tensor("image", wanted.image)
    return image, loss, graph.conv_wgrad(image=image, loss=loss, **geometry)
