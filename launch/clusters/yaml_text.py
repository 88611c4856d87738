"""YAML for people to read, made of dicts, lists, texts, numbers and booleans. Only this much of it is needed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

# A text that any reader of YAML takes for a text. Others have quotes: no, 1e3, 0x10 and 12:30 would be something else.
PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*")
WORDS = re.compile(r"y|n|yes|no|on|off|true|false|null|nan|inf", re.IGNORECASE)


def yaml_text(value: object) -> str:
    """The value as a document of YAML."""
    return "".join(f"{line}\n" for line in _lines(value))


def _lines(value: object) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _entry(f"{_scalar(key)}:", item)
    elif isinstance(value, list) and value:
        for item in value:
            first, *rest = _lines(item)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    else:
        yield _scalar(value)


def _entry(key: str, item: object) -> Iterator[str]:
    if isinstance(item, dict | list) and item:
        yield key
        indent = "  " if isinstance(item, dict) else ""
        yield from (f"{indent}{line}" for line in _lines(item))
    else:
        yield f"{key} {_scalar(item)}"


def _scalar(value: object) -> str:
    if isinstance(value, str) and PLAIN.fullmatch(value) and not WORDS.fullmatch(value):
        return value
    # JSON's texts are YAML's, but for letters beyond 16 bits, and what is not to be seen.
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in json.dumps(value, ensure_ascii=False))
