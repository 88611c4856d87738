"""`python -m pushgrad.worker.commands.call`: a worker of a job that `mx.run` has started with a function.

The function lies in the job's folder, and what comes of it is left beside it.
"""

from __future__ import annotations

import os
from pathlib import Path

from ...common.folded_traceback import folded
from ...common.function_file import load
from ...common.left_files import result_file
from ...common.private_file import write_private
from ...common.private_folder import given_folder
from ...common.results import Result


def main() -> None:
    """Call the function, and leave its value or the traceback of its error."""
    folder, rank = given_folder(os.environ["PUSHGRAD_JOB_DIR"]), int(os.environ["DMLC_WORKER_ID"])
    try:
        function, args = load(folder)
        result = Result(value=function(*args)).encode()
    except Exception as error:
        trace = error.__traceback__
        said = folded(type(error), error, trace and trace.tb_next)  # without this frame
        _leave(folder, rank, Result(error=said).encode())
        raise
    _leave(folder, rank, result)


def _leave(folder: Path, rank: int, data: bytes) -> None:
    write_private(folder / result_file(f"w{rank}"), data)


if __name__ == "__main__":
    main()
