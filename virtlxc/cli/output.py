"""What a command read, as JSON or YAML."""

from __future__ import annotations

import json
from typing import Any


def render(data: Any, form: str) -> str:
    """The data in that form, ending in a newline."""
    if form == "json":
        return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    return "".join(f"{line}\n" for line in _yaml(data))


def _yaml(data: Any) -> list[str]:
    """The lines of a value: blocks for what has parts, JSON's scalars (which YAML reads)."""
    if isinstance(data, dict) and data:
        return [line for key, value in data.items() for line in _entry(f"{_scalar(key)}:", value)]
    if isinstance(data, (list, tuple)) and data:
        return [line for value in data for line in _item(value)]
    return [_scalar(data)]


def _entry(head: str, value: Any) -> list[str]:
    if isinstance(value, (dict, list, tuple)) and value:
        return [head, *(f"  {line}" for line in _yaml(value))]
    return [f"{head} {_scalar(value)}"]


def _item(value: Any) -> list[str]:
    first, *others = _yaml(value)
    return [f"- {first}", *(f"  {line}" for line in others)]


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _plain(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _plain(text: str) -> bool:
    """Whether YAML reads the text back as itself without quotes."""
    words = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")
    letters = text.replace("-", "").replace("_", "").replace("/", "").replace(".", "")
    return letters.isalnum() and text[0].isalpha() and text.lower() not in words
