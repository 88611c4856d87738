"""What is left of a function that a worker has called: its value, or the traceback of its error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import values
from .errors import FileFormatError


def result_file(name: str) -> str:
    """The file that has the result of process `name` (w0), in the job's folder and then in the run's."""
    return f"{name}.result"


@dataclass(frozen=True)
class Result:
    """`value` as `values` has it; or `error`, the text of a traceback."""

    value: Any = None
    error: str = ""

    def encode(self) -> bytes:
        """As bytes. Raises ParameterError if the value cannot be returned."""
        return values.encode((self.value, self.error))

    @staticmethod
    def decode(data: bytes) -> Result:
        """From bytes. Raises FileFormatError if there is no sense in them."""
        found = values.decode(data)
        if not (isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], str)):
            raise FileFormatError("this is no result of a worker")
        return Result(*found)
