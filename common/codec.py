"""Messages as frozen dataclasses, and their way to frames and back. `encode` and `decode` are pure functions.

To add a message: write its class in `messages.py` (scheduler) or `requests.py` (servers) with a check for each field,
describe it in docs/protocol.md, handle it in `ps/membership.py` or `ps/service.py`, and add a sample to the fuzz test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, TypeVar

from .wire import VERSION, Check, Frame, WireError, malformed, pack, shown, unpack

REGISTRY: dict[str, type[Message]] = {}  # by `op`; filled by importing messages.py and requests.py
M = TypeVar("M", bound="type[Message]")


def checked(check: Check, **kwargs: Any) -> Any:
    """A dataclass field whose value from the wire must pass `check`; `kwargs` are those of dataclasses.field.

    A field with a default may be missing from the header.
    """
    return field(metadata={"check": check}, **kwargs)


def message(cls: M) -> M:
    """Class decorator: make `cls` known to `decode` under its `op`."""
    REGISTRY[cls.op] = cls
    return cls


@dataclass(frozen=True, kw_only=True)
class Message:
    """Base of all messages. `frames` are the raw frames that follow the header; received ones are not copied."""

    op: ClassVar[str] = ""
    frames: tuple[Frame, ...] = ()

    def frame_sizes(self) -> tuple[tuple[int, int], ...]:
        """The least and greatest size in bytes of each frame that must follow the header; none by default."""
        return ()


_SPECIFICATIONS: dict[str, tuple[tuple[str, Check, bool], ...]] = {}  # by `op`; made once, not per message


def _specification(cls: type[Message]) -> tuple[tuple[str, Check, bool], ...]:
    """Name and check of each header field, and whether the field must be present."""
    if cls.op in _SPECIFICATIONS:
        return _SPECIFICATIONS[cls.op]
    found = []
    for item in fields(cls):
        if item.name != "frames":
            found.append((item.name, item.metadata["check"], item.default is MISSING))
    return _SPECIFICATIONS.setdefault(cls.op, tuple(found))


def encode(item: Message) -> list[Frame]:
    """The frames of a message: its header, then its raw frames. Raises WireError if the header is too large.

    Our own values are not checked: the receiver does that.
    """
    header: dict[str, Any] = {"v": VERSION, "op": item.op}
    for name, _, required in _specification(type(item)):
        value = getattr(item, name)
        if required or value is not None:
            header[name] = value
    return [pack(header), *item.frames]


def decode(frames: Sequence[Frame]) -> Message:
    """The message in `frames` (without the identity that a ROUTER puts before them).

    Raises WireError for anything that is not a valid message, and no other error, whatever a stranger sends.
    """
    try:
        return _decode(frames)
    except WireError:
        raise
    except Exception as error:  # none is known; but one would end the process that every stranger can write to
        raise malformed(f"message cannot be read ({type(error).__name__})") from None


def _decode(frames: Sequence[Frame]) -> Message:
    if not frames:
        raise malformed("message without a header")
    cls, values = _read_header(frames[0])
    found = cls(frames=tuple(frames[1:]), **values)
    _check_frames(found)
    return found


def _read_header(data: Frame) -> tuple[type[Message], dict[str, Any]]:
    """What kind of message it is, and its fields but for `frames`."""
    header = unpack(data)
    # The version comes first: in another version the same op may have other fields.
    version, op = header.pop("v", None), header.pop("op", None)
    if version != VERSION or type(version) is not int:  # True == 1
        raise WireError("version", "protocol version", expected=VERSION, got=shown(version))
    cls = REGISTRY.get(op) if isinstance(op, str) else None
    if cls is None:
        raise WireError("unknown_op", "message op", expected=", ".join(sorted(REGISTRY)), got=shown(op))
    return cls, _read_fields(cls, header)


def _read_fields(cls: type[Message], header: dict[str, Any]) -> dict[str, Any]:
    values = {}
    for name, check, required in _specification(cls):
        if name in header:
            try:
                values[name] = check(header.pop(name))
            except WireError as error:
                # The checks know nothing of messages: say here which field of which one it was.
                raise WireError(
                    error.code, f"{cls.op}: field {name} {error.text}".rstrip(), expected=error.expected, got=error.got
                ) from None
        elif required:
            raise malformed(f"{cls.op}: field {name} is missing")
    if header:
        raise malformed(f"{cls.op}: unknown field", got=min(header))
    return values


def _check_frames(item: Message) -> None:
    sizes = item.frame_sizes()
    if len(sizes) != len(item.frames):
        raise WireError("frames", f"{item.op}: frames after the header", expected=len(sizes), got=len(item.frames))
    for index, ((low, high), frame) in enumerate(zip(sizes, item.frames, strict=True), 1):
        size = len(frame) if isinstance(frame, bytes) else frame.nbytes
        if not low <= size <= high:
            wanted = f"{low} bytes" if low == high else f"{low} to {high} bytes"
            raise WireError("frames", f"{item.op}: frame {index}", expected=wanted, got=f"{size} bytes")
