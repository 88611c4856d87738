"""mx.optimizer: the optimizers of the parameter server, which also update in a training without one."""

from ..ps.optimizer import SGD, Optimizer, create

__all__ = ["SGD", "Optimizer", "create"]
