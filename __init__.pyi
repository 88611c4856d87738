# The names of `import pushgrad as mx` for type checkers and editors; __init__.py loads the same ones on first use.

from .common.errors import PushgradError
from .launch.notebook import run
from .launch.outcome import JobFailed
from .ps import optimizer as optimizer
from .worker import models as models
from .worker import random as random
from .worker import viz as viz
from .worker.context import Context, cpu, current_context, gpu
from .worker.data import io as io
from .worker.data import recordio as recordio
from .worker.devices.available import num_gpus
from .worker.execution.executor_base import BaseExecutor as Executor
from .worker.files import formats as formats
from .worker.files import model as model
from .worker.files import ndfile as nd
from .worker.graphs import naming as name
from .worker.graphs.naming import AttrScope
from .worker.ops import custom_prop as operator
from .worker.profiling import profiler as profiler
from .worker.store.joining import num_workers, rank
from .worker.symbols import sym as sym
from .worker.symbols import sym as symbol
from .worker.training import callback as callback
from .worker.training import kv as kv
from .worker.training import lr_scheduler as lr_scheduler
from .worker.training.feedforward import FeedForward
from .worker.training.initializers import initializer as init
from .worker.training.metrics import metric as metric
from .worker.training.mlp import mlp

__version__: str

__all__ = [
    "AttrScope",
    "Context",
    "Executor",
    "FeedForward",
    "JobFailed",
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
