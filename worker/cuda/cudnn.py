"""cuDNN's convolutions, through the graph API of nvidia-cudnn-frontend (module `cudnn`).

Which of cuDNN's engines computes a convolution is decided by its heuristics alone, so that every run on one type of GPU
gives the same bits; by timing only where somebody asks for it (see cudnn_tuning.py). Engines that add up in an
undefined order are refused as long as another one is left; Plan.deterministic tells.

`Cudnn.plan` takes a Convolution (what is wanted), has `build` make a graph and its plan (Built), and keeps what can be
run (Plan). `build` needs no GPU if it is given cuDNN's description of one: that is how tests/cuda/test_cudnn_graphs.py
makes the plans of every kind of convolution for an H100.
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

OLDEST_FRONTEND, OLDEST_LIBRARY = (1, 14), 90000  # 9.0.0, as cuDNN counts from version 9 on

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
    """cuDNN has no engine for that convolution under these conditions; the text is cuDNN's."""


@dataclass(frozen=True)
class Built:
    """A finished graph and its tensors: the two operands and the target.

    workspace: bytes of scratch memory. index: the number of the plan that was chosen by timing; None for cuDNN's first.
    """

    graph: Any
    tensors: tuple[Any, Any, Any]
    workspace: int
    deterministic: bool
    index: int | None = None


@cache
def available() -> str | None:
    """None if cuDNN can be used, as far as can be told without a GPU; otherwise the reason why not, in words."""
    try:
        cudnn = _load()
    except Exception as error:  # a broken installation may raise anything; our own kernels take over
        return f"nvidia-cudnn-frontend cannot be imported: {error}"
    version = tuple(int(digits) for digits in re.findall(r"\d+", cudnn.__version__)[:2])
    if version < OLDEST_FRONTEND:
        return f"nvidia-cudnn-frontend {cudnn.__version__} is older than 1.14"
    try:
        library = cudnn.backend_version()
    except Exception as error:  # what is raised without the library differs between versions of the frontend
        return f"the library cuDNN cannot be loaded: {error}"
    return None if library >= OLDEST_LIBRARY else f"cuDNN {library} is older than {OLDEST_LIBRARY} (9.0)"


def build(wanted: Convolution, **where: Any) -> Built:
    """Plan `wanted` for the device in `where`: handle=, or device_property= and sm_version=.

    Raises NoPlan if cuDNN has no engine for it, not even one that adds up in an undefined order.
    """
    cudnn, refusal = _load(), None
    for more in (("NONDETERMINISTIC",), ()):
        try:
            return _build(cudnn, wanted, more, where)
        except (cudnn.cudnnGraphNotSupportedError, RuntimeError) as error:
            refusal = error
    raise NoPlan(str(refusal)) from refusal


class Plan:
    """A planned convolution on one GPU. It does not depend on addresses, so layers of equal shapes share it."""

    def __init__(self, built: Built, handle: Any, workspace: Claim) -> None:
        self._graph, self._tensors, self._handle, self._workspace = built.graph, built.tensors, handle, workspace
        self.deterministic, self._index = built.deterministic, built.index

    def run(self, first: Array, second: Array, target: Array) -> None:
        """Queue it: arrays of the shapes of Convolution.shapes(), in that order, without gaps.

        Their addresses must be multiples of 16 bytes, as cuDNN's engines assume.
        """
        addresses = (array.data.ptr for array in (first, second, target))  # type: ignore[attr-defined]
        pointers = dict(zip(self._tensors, addresses, strict=True))
        workspace: Any = self._workspace.parts()[0]
        if self._index is None:
            self._graph.execute(pointers, workspace.data.ptr, handle=self._handle)
        else:
            self._graph.execute_plan_at_index(pointers, workspace.data.ptr, self._index, handle=self._handle)


class Cudnn:
    """cuDNN on one GPU: its handle, and the plans that were made. To be used while the device is active."""

    # Weak keys, and a weak reference in the instance: neither must keep a device, with all its memory, alive.
    _known: ClassVar[weakref.WeakKeyDictionary[Device, Cudnn]] = weakref.WeakKeyDictionary()
    _making = threading.RLock()  # one for all GPUs: planning is seldom

    def __init__(self, device: Device) -> None:
        cudnn = _load()
        self._handle, self._device = cudnn.create_handle(), weakref.ref(device)
        cudnn.set_stream(handle=self._handle, stream=device.stream.ptr)
        self._arena = Arena.of(device, "cudnn")
        self._plans: dict[Convolution, Plan] = {}
        self.refused: dict[Convolution, str] = {}

    @classmethod
    def of(cls, device: Device) -> Cudnn | None:
        """cuDNN on that device; None if it cannot be used there."""
        with cls._making:
            if device not in cls._known:
                # The stand-in that tests put in cupy's place is a module without a spec. Its memory is the host's,
                # which cuDNN must never be given.
                if available() is not None or device.xp.__spec__ is None:
                    return None
                try:
                    cls._known[device] = cls(device)
                except RuntimeError:  # what create_handle raises where there is no GPU
                    return None
            return cls._known[device]

    def plan(self, wanted: Convolution) -> Plan | None:
        """The plan of that convolution, made when first asked for; None if cuDNN has none (`refused` says why).

        The first call for a convolution must not happen while a graph is being captured: planning allocates and waits.
        """
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
    """`built` itself or, where `wanted` asks for timing, `built` with the plan that turned out to be the fastest."""
    if not wanted.tune or device is None:
        return built
    refusals = RuntimeError, _load().cudnnGraphNotSupportedError
    trial = Trial(built.graph, built.tensors, wanted.sizes(), handle)
    choice = fastest(device, trial, wanted.workspace, refusals)
    if choice is None:
        return build(wanted, handle=handle)  # anew, as the trials have left the graph with another plan
    return replace(built, index=choice.index, workspace=choice.workspace)


@cache
def _load() -> Any:
    _load_runtime()
    return import_module("cudnn")


def _load_runtime() -> None:
    """Load CUDA's runtime from where pip puts it: the frontend only looks where the dynamic linker does."""
    try:
        import_module("cuda.pathfinder").load_nvidia_dynamic_lib("cudart")  # a dependency of cupy
    except Exception:  # then the linker has to find the library; available() tells if it does not
        return


def _build(cudnn: Any, wanted: Convolution, more: Sequence[str], where: dict[str, Any]) -> Built:
    """Plan `wanted` without engines that have a numerical note in `more`, or that its math refuses."""
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
    # The order matters: create candidates, strike out what is refused, check, build the first that is left. Mode B
    # ranks engines without tensor cores where A has none.
    modes = cudnn.heur_mode
    graph.create_execution_plans([modes.A, modes.B, modes.FALLBACK])
    # An older frontend does not know every note.
    notes = [getattr(cudnn.numerical_note, name, None) for name in (*_REFUSED[wanted.math], *more)]
    graph.deselect_numeric_notes([note for note in notes if note is not None])
    graph.deselect_workspace_greater_than(wanted.workspace)
    graph.check_support()
    graph.build_plans()
    return Built(graph, tensors, graph.get_workspace_size(), bool(more))


def _operation(graph: Any, wanted: Convolution, tensor: Any) -> tuple[Any, Any, Any]:
    """Add the operation to the graph; both operands and the target, in the order of ROLES."""
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
