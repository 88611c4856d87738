"""pushgrad: distributed training with symbol graphs and a key-value parameter server.

`import pushgrad as mx` loads only this file; each public name is imported when it is first used (PEP 562). So `launch`
starts without numpy and numba, and a server never loads what only workers need. `__init__.pyi` lists the same names.
"""

import os as _os
from importlib import import_module as _import_module
from typing import Any as _Any

__version__ = "0.1.0"

# public name -> (module, attribute or None for the module itself)
_FACE: dict[str, tuple[str, str | None]] = {
    "symbol": (".worker.symbols.sym", None),
    "sym": (".worker.symbols.sym", None),
    "nd": (".worker.files.ndfile", None),
    "formats": (".worker.files.formats", None),
    "io": (".worker.data.io", None),
    "kv": (".worker.training.kv", None),
    "init": (".worker.training.initializers.initializer", None),
    "models": (".worker.models", None),
    "metric": (".worker.training.metrics.metric", None),
    "callback": (".worker.training.callback", None),
    "operator": (".worker.ops.custom_prop", None),
    "optimizer": (".ps.optimizer", None),
    "lr_scheduler": (".worker.training.lr_scheduler", None),
    "random": (".worker.random", None),
    "profiler": (".worker.profiling.profiler", None),
    "viz": (".worker.viz", None),
    "model": (".worker.files.model", None),
    "name": (".worker.graphs.naming", None),
    "recordio": (".worker.data.recordio", None),
    "FeedForward": (".worker.training.feedforward", "FeedForward"),
    "mlp": (".worker.training.mlp", "mlp"),
    "AttrScope": (".worker.graphs.naming", "AttrScope"),
    "Executor": (".worker.execution.executor_base", "BaseExecutor"),
    "Context": (".worker.context", "Context"),
    "cpu": (".worker.context", "cpu"),
    "gpu": (".worker.context", "gpu"),
    "current_context": (".worker.context", "current_context"),
    "num_gpus": (".worker.devices.available", "num_gpus"),
    "rank": (".worker.store.joining", "rank"),
    "num_workers": (".worker.store.joining", "num_workers"),
    "run": (".launch.notebook", "run"),
    "JobFailed": (".launch.outcome", "JobFailed"),
    "PushgradError": (".common.errors", "PushgradError"),
}

__all__ = list(_FACE)

if "DMLC_ROLE" in _os.environ:  # a process of a job: its errors stand among others', and one may ask where it stands
    from .common.folded_traceback import fold_uncaught as _fold_uncaught
    from .common.stack_dump import print_stacks_on_signal as _print_stacks_on_signal

    _fold_uncaught()
    _print_stacks_on_signal()


def __getattr__(name: str) -> _Any:
    if name not in _FACE:
        from .common.suggestion import suggestion

        # With a name and no object Python adds no suggestion of its own.
        hint = "" if name.startswith("_") else suggestion(name, _FACE, otherwise="")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}", name=name, obj=None)
    module, attribute = _FACE[name]
    found = _import_module(module, __name__)
    # Stored in the module, so that Python calls __getattr__ only once per name.
    globals()[name] = value = found if attribute is None else getattr(found, attribute)
    return value


def __dir__() -> list[str]:
    return sorted([*_FACE, "__version__"])
