"""The public `mx.operator`: operators that users write in Python. docs/add-an-operator.md shows one."""

from .ops.custom_prop import CustomOp, CustomOpProp, register

__all__ = ["CustomOp", "CustomOpProp", "register"]
