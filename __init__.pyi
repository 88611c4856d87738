# The names of `import pushgrad as mx` for type checkers and editors; __init__.py loads the same ones on first use.

from .common.errors import PushgradError
from .launch.notebook import run
from .worker import callback as callback
from .worker import formats as formats
from .worker import initializer as init
from .worker import io as io
from .worker import kv as kv
from .worker import lr_scheduler as lr_scheduler
from .worker import metric as metric
from .worker import model as model
from .worker import models as models
from .worker import naming as name
from .worker import nd as nd
from .worker import operator as operator
from .worker import optimizer as optimizer
from .worker import profiler as profiler
from .worker import random as random
from .worker import recordio as recordio
from .worker import sym as sym
from .worker import sym as symbol
from .worker import viz as viz
from .worker.context import Context, cpu, current_context, gpu, num_gpus
from .worker.executor import Executor
from .worker.feedforward import FeedForward
from .worker.mlp import mlp
from .worker.naming import AttrScope
from .worker.session import num_workers, rank

__version__: str

__all__ = [
    "AttrScope",
    "Context",
    "Executor",
    "FeedForward",
    "PushgradError",
    "callback",
    "cpu",
    "current_context",
    "formats",
    "gpu",
    "init",
    "io",
    "kv",
    "lr_scheduler",
    "metric",
    "mlp",
    "model",
    "models",
    "name",
    "nd",
    "num_gpus",
    "num_workers",
    "operator",
    "optimizer",
    "profiler",
    "random",
    "rank",
    "recordio",
    "run",
    "sym",
    "symbol",
    "viz",
]
