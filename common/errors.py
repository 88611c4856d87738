"""Errors that say what is wrong and where, what was expected, what came, and what to do about it; and exit codes."""

from __future__ import annotations

import os

EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_TIMEOUT = 124  # as timeout(1)
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as a shell would say
EXIT_PEER_LOST = 75  # EX_TEMPFAIL of sysexits.h: "not my fault"; `launch` never takes it for the root cause


def exit_reason(code: int) -> str:
    """What a worker says to the others when its script ends with an exit code; `launch` recognises it."""
    return f"exited with code {code}"


class PushgradError(Exception):
    """Base of every error that a user can fix.

    `text` says what is wrong and where; `expected`, `got` and `remedy` are optional and become part of the message.
    Subclasses also derive from the built-in error that a caller who does not know this package would catch.
    `places` say in which file and node, outermost first, where whoever raised it could not know.
    """

    def __init__(self, text: str, *, expected: object = None, got: object = None, remedy: str | None = None) -> None:
        super().__init__(text)
        self.text, self.expected, self.got, self.remedy = text, expected, got, remedy
        self.places: tuple[str, ...] = ()

    def locate(self, place: str) -> None:
        """Say where it was raised, around what is known so far: for those whom it passes on its way up."""
        self.places = (place, *self.places)

    def __str__(self) -> str:
        parts = [": ".join((*self.places, self.text))]
        if self.expected is not None:
            parts.append(f": expected {self.expected}")
        if self.got is not None:
            parts.append(f"{', ' if self.expected is not None else ': '}got {self.got}")
        said = "".join(parts)
        if not self.remedy:
            return said
        return f"{said} {self.remedy}" if said.endswith("?") else f"{said}. {self.remedy}"


class ParameterError(PushgradError, ValueError):
    """A parameter of an operator, optimizer, iterator or function is unknown, missing or out of range."""


class ShapeError(PushgradError, ValueError):
    """Shapes or dtypes do not fit together; the text names the operator and the argument."""


class GraphError(PushgradError, ValueError):
    """A symbol graph cannot be composed, read or bound."""


class DataError(PushgradError, ValueError):
    """Training data, labels or gradients cannot be used as they are."""


class FileFormatError(PushgradError, ValueError):
    """A file is truncated, foreign, or does not belong to this network."""


class DeviceError(PushgradError, RuntimeError):
    """A device that was asked for is missing or cannot do what is asked of it."""


class JobError(PushgradError, RuntimeError):
    """The job cannot start or go on because of its environment, addresses, keys, ranks or time limits."""


class RemoteError(PushgradError, RuntimeError):
    """A server or the scheduler refused a request. `code` is one of those in docs/protocol.md; `key` may be None."""

    def __init__(
        self,
        code: str,
        text: str,
        *,
        key: object = None,
        expected: object = None,
        got: object = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(text, expected=expected, got=got, remedy=remedy)
        self.args = (code, text)  # with which pickle and copy make it again
        self.code, self.key = code, key


class PeerLost(SystemExit):
    """This process gives up because another one of its job is gone.

    A SystemExit, so that it ends a script without a traceback and `except Exception` does not swallow it. Under
    `launch` the exit code is 75, which says "look for the cause elsewhere"; without a launcher it is 1.
    """

    def __init__(self, text: str) -> None:
        super().__init__(EXIT_PEER_LOST if os.environ.get("PUSHGRAD_LAUNCHED") else EXIT_FAILURE)
        self.text = text

    def __str__(self) -> str:
        return self.text
