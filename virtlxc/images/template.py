"""What a template is, and which there are.

A template is a small class; other packages can bring more under the entry point group
``virtlxc.templates``, each naming such a class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module, metadata
from typing import Protocol

from virtlxc.errors import Code, VirtlxcError
from virtlxc.images.progress import Progress
from virtlxc.model import Domain

GROUP = "virtlxc.templates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a new guest shall be.

    ``memory`` in KiB, None for the template's own; ``network`` is a virtual network's name, "" for
    none at all; ``mac`` None: one is made from ``new_mac``. ``first_id`` starts the range of host
    ids behind the guest's. ``uuid`` is the domain's. ``options`` has what else was given, of the
    names in the template's ``options``; ``cache`` is a folder of root's for what can be used again.
    ``progress`` is to be told what is done, often; what its owner should know goes to ``notes``.
    ``definition`` gives the definition of another domain, and whether that runs.
    """

    name: str
    uuid: str
    root: str
    network: str
    mac: str
    memory: int | None
    first_id: int
    options: Mapping[str, str] = field(default_factory=dict)
    cache: str = ""
    progress: Progress = field(default_factory=Progress)
    notes: list[str] = field(default_factory=list)
    definition: Callable[[str], tuple[Domain, bool]] | None = None

    @property
    def doing(self) -> str:
        """The beginning of every message."""
        return f"cannot make '{self.name}'"


class Template(Protocol):
    """One kind of guest. ``title`` is what a list of templates shows.

    A class may have an attribute ``options``: the names of the options that it understands beside
    those that every guest has.
    """

    name: str
    title: str

    def check(self) -> None:
        """Raises VirtlxcError if this host lacks what the template needs, naming the package."""

    def build(self, root: str, request: Request) -> None:
        """Fills the empty folder ``root`` with files as the guest's ids see them (root is 0)."""

    def domain(self, request: Request) -> Domain:
        """The definition that boots it; asked for after :meth:`build`."""


# Our own, by the module that holds the class: nothing is imported before it is used.
OWN: Mapping[str, str] = {
    "busybox": "virtlxc.images.busybox:Busybox",
    "copy": "virtlxc.images.duplicate:Copy",
    "debian": "virtlxc.images.debian:Debian",
    "tarball": "virtlxc.images.tarball:Tarball",
}


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


def options_of(template: Template) -> tuple[str, ...]:
    """The names of the options that this template alone understands."""
    return tuple(getattr(template, "options", ()))
