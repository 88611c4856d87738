"""mx.operator: the base classes of operators that users write in Python, and their registration by name.

The method names, arguments and order are MXNet's, so that its custom operators run here with few changes.
docs/add-an-operator.md has an example.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ...common.errors import GraphError, ParameterError
from ..array import Array, Shape

__all__ = ["CustomOp", "CustomOpProp", "register"]

# MXNet's requests. The executor itself only passes "null" and "write"; user code may use all with `assign`.
REQUESTS = ("null", "write", "inplace", "add")


class CustomOp:
    """The computation of one bound node: its forward and its backward, on numpy arrays.

    Lists follow the names of CustomOpProp, and arrays have the shapes that its infer_shape returned; a gradient has
    the shape of its array. What forward stores in `self` is there in backward. `in_data`, `out_grad` and, in backward,
    `out_data` are read-only. `req[i]` says how to write array i: pass it to `assign`.
    """

    def forward(
        self, is_train: bool, req: list[str], in_data: list[Array], out_data: list[Array], aux: list[Array]
    ) -> None:
        """Write `out_data`, computed from `in_data`; the auxiliary states `aux` may be changed in place."""
        raise NotImplementedError("forward")

    def backward(
        self,
        req: list[str],
        out_grad: list[Array],
        in_data: list[Array],
        out_data: list[Array],
        in_grad: list[Array],
        aux: list[Array],
    ) -> None:
        """Write `in_grad`, which starts as zeros. Without this method no gradient passes through the operator."""

    def assign(self, dst: Array, req: str, src: Any) -> None:
        """Put `src`, a number or an array that broadcasts to dst's shape, into `dst` in the way that `req` names.

        "write" and "inplace" overwrite, "add" adds, "null" does nothing. Raises ParameterError for any other `req`.
        """
        if req not in REQUESTS:
            raise ParameterError("assign: req", expected=" or ".join(REQUESTS), got=repr(req))
        if req == "add":
            dst[...] += src
        elif req != "null":
            dst[...] = src


class CustomOpProp:
    """The names and shapes of an operator, and the method that makes its computation.

    `need_top_grad=False` means that backward does not read `out_grad`, as in a loss. __init__ gets the parameters
    of `mx.sym.Custom` as strings.
    """

    def __init__(self, need_top_grad: bool = True) -> None:
        self.need_top_grad_ = need_top_grad  # MXNet's name, which user classes may read

    def list_arguments(self) -> list[str]:
        """Names of the inputs."""
        return ["data"]

    def list_outputs(self) -> list[str]:
        """Names of the outputs."""
        return ["output"]

    def list_auxiliary_states(self) -> list[str]:
        """Names of the states that forward changes and that get no gradient."""
        return []

    def infer_shape(self, in_shape: list[Any]) -> tuple[Any, ...]:
        """Return lists of shapes: of the inputs, of the outputs and, if there are any, of the states.

        Only the first shape of `in_shape` is certain to be known; an unknown one is []. By default all shapes equal it.
        """
        return [in_shape[0]] * len(in_shape), [in_shape[0]] * len(self.list_outputs()), []

    def infer_type(self, in_type: list[Any]) -> tuple[Any, ...]:
        """Here for MXNet's sake, and never called: all arrays of a network have one type."""
        return in_type, [in_type[0]] * len(self.list_outputs()), [in_type[0]] * len(self.list_auxiliary_states())

    def create_operator(self, ctx: Any, in_shapes: Sequence[Shape], in_dtypes: Sequence[Any]) -> CustomOp:
        """Make the CustomOp for inputs of those shapes; called once for every bound network."""
        raise NotImplementedError("create_operator")


# By op_type. Filled when user modules are imported, which happens in every process of a job.
PROPS: dict[str, Callable[..., CustomOpProp]] = {}
P = TypeVar("P", bound=type[CustomOpProp])


def register(name: str) -> Callable[[P], P]:
    """Class decorator that registers a CustomOpProp under `name`, for mx.sym.Custom(..., op_type=name).

    A class registered later under the same name replaces it for networks made from then on. Raises ParameterError if
    the name is empty or not a string, or if the decorated class is not a CustomOpProp.
    """

    def enter(prop: P) -> P:
        if not (isinstance(prop, type) and issubclass(prop, CustomOpProp)):
            raise ParameterError(f"register({name!r})", expected="a subclass of mx.operator.CustomOpProp", got=prop)
        PROPS[name] = prop
        return prop

    if not isinstance(name, str) or not name:
        raise ParameterError("register: name", expected="a string that is not empty", got=repr(name))
    return enter


def make_prop(op_type: str, parameters: dict[str, str]) -> CustomOpProp:
    """An instance of the class registered as `op_type`, made with `parameters`.

    Raises GraphError if there is no such class, if its __init__ raises, or if that does not call super().__init__().
    """
    if op_type not in PROPS:
        raise GraphError(
            f"Custom: op_type {op_type[:80]!r} is not registered",
            expected=", ".join(sorted(PROPS)) or None,
            remedy=f"Import the module that says @mx.operator.register({op_type[:80]!r}) before the network is made.",
        )
    try:
        prop = PROPS[op_type](**parameters)
    except Exception as error:
        raise user_error("Custom", op_type, "__init__", error) from error
    # A subclass that forgets super().__init__() has no such attribute.
    if not isinstance(getattr(prop, "need_top_grad_", None), bool):
        raise GraphError(f"Custom: op_type {op_type!r}: __init__ must call super().__init__(need_top_grad)")
    return prop


def user_error(where: str, op_type: str, method: str, error: Exception) -> GraphError:
    """A GraphError for an exception in the user's code: `where` it happened, the method, and the exception's text."""
    return GraphError(f"{where}: {method} of op_type {op_type!r} raised {type(error).__name__}: {error}")
