"""What a template is, and which there are.

A template is a small class; other packages can bring more under the entry point group
``virtlxc.templates``, each naming such a class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Protocol

from virtlxc.errors import Code, VirtlxcError
from virtlxc.model import Domain

GROUP = "virtlxc.templates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a new guest shall be.

    ``memory`` in KiB, None for the template's own; ``network`` is a virtual network's name, "" for
    none at all; ``mac`` None: one is made from ``new_mac``. ``first_id`` starts the range of host
    ids behind the guest's. ``uuid`` is the domain's.
    """

    name: str
    uuid: str
    root: str
    network: str
    mac: str
    memory: int | None
    first_id: int


class Template(Protocol):
    """One kind of guest. ``title`` is what a list of templates shows."""

    name: str
    title: str

    def check(self) -> None:
        """Raises VirtlxcError if this host lacks what the template needs, naming the package."""

    def build(self, root: str, request: Request) -> None:
        """Fills the empty folder ``root`` with files as the guest's ids see them (root is 0)."""

    def domain(self, request: Request) -> Domain:
        """The definition that boots it."""


# Our own, by the module that holds the class: nothing is imported before it is used.
OWN: Mapping[str, str] = {"busybox": "virtlxc.images.busybox:Busybox"}


def names() -> list[str]:
    """The names of all templates."""
    return sorted({*OWN, *(entry.name for entry in metadata.entry_points(group=GROUP))})


def find(name: str) -> Template:
    """A template by its name; raises VirtlxcError that lists them when there is none such."""
    if name in OWN:
        module, _, attribute = OWN[name].partition(":")
        make: Callable[[], Template] = getattr(import_module(module), attribute)
        return make()
    for entry in metadata.entry_points(group=GROUP, name=name):
        loaded: Callable[[], Template] = entry.load()
        return loaded()
    raise VirtlxcError(
        f"there is no template '{name}' (there is: {', '.join(names())})", Code.INVALID_ARG
    )
