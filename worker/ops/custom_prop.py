"""mx.operator: what users derive from to write an operator in Python, and the names under which networks find it.

docs/add-an-operator.md shows one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ...common.errors import GraphError, ParameterError
from ..array import Array, Shape

__all__ = ["CustomOp", "CustomOpProp", "register"]

REQUESTS = ("null", "write", "inplace", "add")


class CustomOp:
    """The computation of one bound node: its forward and its backward, on numpy arrays.

    What forward leaves in `self` is there in backward. `in_data`, `out_grad` and, in backward, `out_data` can only be
    read. `req[i]` tells how array i is wanted; `assign` heeds it.
    """

    def forward(
        self, is_train: bool, req: list[str], in_data: list[Array], out_data: list[Array], aux: list[Array]
    ) -> None:
        """Write `out_data`; the auxiliary states may be changed in place."""
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
        """Put `src`, an array or a number, into `dst` as `req` asks: write, inplace, add, or null for not at all."""
        if req not in REQUESTS:
            raise ParameterError("assign: req", expected=" or ".join(REQUESTS), got=repr(req))
        if req == "add":
            dst[...] += src
        elif req != "null":
            dst[...] = src


class CustomOpProp:
    """The names and shapes of an operator, and how to make its computation.

    `need_top_grad` False says that backward does not read `out_grad`: the operator is a loss. Parameters of
    `mx.sym.Custom` come to __init__ as strings.
    """

    def __init__(self, need_top_grad: bool = True) -> None:
        self.need_top_grad_ = need_top_grad

    def list_arguments(self) -> list[str]:
        """Names of the inputs."""
        return ["data"]

    def list_outputs(self) -> list[str]:
        """Names of the outputs."""
        return ["output"]

    def list_auxiliary_states(self) -> list[str]:
        """Names of states that forward changes and no gradient reaches."""
        return []

    def infer_shape(self, in_shape: list[Any]) -> tuple[Any, ...]:
        """(shapes of the inputs, of the outputs[, of the states]); of `in_shape` only the first is sure to be known.

        An input whose shape is not known is []. By default everything has the first input's shape.
        """
        return [in_shape[0]] * len(in_shape), [in_shape[0]] * len(self.list_outputs()), []

    def infer_type(self, in_type: list[Any]) -> tuple[Any, ...]:
        """Not asked: all arrays of a network have one type."""
        return in_type, [in_type[0]] * len(self.list_outputs()), [in_type[0]] * len(self.list_auxiliary_states())

    def create_operator(self, ctx: Any, in_shapes: Sequence[Shape], in_dtypes: Sequence[Any]) -> CustomOp:
        """The computation for inputs of those shapes; called once for every bound network."""
        raise NotImplementedError("create_operator")


PROPS: dict[str, Callable[..., CustomOpProp]] = {}
P = TypeVar("P", bound=type[CustomOpProp])


def register(name: str) -> Callable[[P], P]:
    """Class decorator: networks find this CustomOpProp by op_type=`name`.

    A later class of that name takes its place in networks that are made from then on.
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
    """The registered class of that name with its parameters; GraphError if there is none or it refuses them."""
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
    if not isinstance(getattr(prop, "need_top_grad_", None), bool):
        raise GraphError(f"Custom: op_type {op_type!r}: __init__ must call super().__init__(need_top_grad)")
    return prop


def user_error(where: str, op_type: str, method: str, error: Exception) -> GraphError:
    """An error of the user's code, told with the place where it happened."""
    return GraphError(f"{where}: {method} of op_type {op_type!r} raised {type(error).__name__}: {error}")
