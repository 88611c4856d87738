"""Compiled passes of the optimizers' updates, one per rule: sum and update in one pass over a range, block by block.

Arguments are those of the passes in kernels.py: rows, column, pairs, weight, the states, then numbers of the weight's
dtype: lr, wd, rescale and clip, then the rule's own. g is the rescaled, clipped sum with weight decay where the rule
has it. ps/optimizers says the rules in words; the *update.cu of worker/cuda/source have them operation by
operation.
"""

from .adam import adam, adamax, adamw, nadam
from .adaptive import adadelta, adagrad, ftrl, rmsprop, rmsprop_centered
from .by_address import BY_RULE, finite
from .langevin import sgld
from .momentum import add_scaled, nag, sgd, sgd_momentum, signsgd, signum
from .whole_keys import add_squares, lamb, no_squares, norm

__all__ = [
    "BY_RULE",
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "add_scaled",
    "add_squares",
    "finite",
    "ftrl",
    "lamb",
    "nadam",
    "nag",
    "no_squares",
    "norm",
    "rmsprop",
    "rmsprop_centered",
    "sgd",
    "sgd_momentum",
    "sgld",
    "signsgd",
    "signum",
]
