"""The rows of field tables, and the tree that parsing and formatting walk."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from virtlxc.xmlmap.types import TEXT, Type

ACTED = "acted on"
KEPT = "kept"
REFUSED = "refused"
TREATMENTS = (ACTED, KEPT, REFUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One field of the document.

    ``path``: from the table's element, in XPath's manner: ``@type``, ``mac/@address``,
    ``os/init``; ``.`` is the element's own text. ``treatment``: what the product does with a value
    that is not the default: acted on, kept (warned about), or refused (it protects, and a start
    would break the promise). ``note``: one sentence about it for the documents.
    """

    path: str
    treatment: str = ACTED
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value(Row):
    """An attribute or the text of an element.

    ``field``: the dataclass field. ``default`` is the field's own. ``always``: written even when it
    is the default. ``when``: (field, values): only for objects whose other field has one of these
    values; the other field must be an attribute of the table's own element. ``beside``: also
    written when this other field is not empty. ``unit``: the name of the attribute that holds the
    unit. ``live``: written, never read. ``served``: values that are acted on though ``treatment``
    says otherwise of the rest.
    """

    field: str
    type: Type = TEXT
    always: bool = False
    when: tuple[str, tuple[str, ...]] | None = None
    beside: str | None = None
    unit: str | None = None
    live: bool = False
    served: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Const(Row):
    """An attribute that has one value only, always written."""

    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag(Row):
    """An empty element: True when it is there."""

    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Object(Row):
    """An element of its own table; the field is a dataclass, or None when it may be absent.

    ``always``: written even when the object is the default.
    """

    field: str
    table: Table
    always: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat(Row):
    """Any number of elements: the field is a tuple of what ``table`` makes, or of texts.

    ``tags``: names the elements may have, when ``path`` ends in ``*``; an element with another name
    is an error.
    """

    field: str
    table: Table | None = None
    type: Type = TEXT
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep(Row):
    """Elements or attributes that are known and only kept; their place in the output is this row's.

    ``protects``: a function that looks at the element, for those that protect only sometimes.
    ``verbatim``: not kept here, because the caller takes it from the source (metadata).
    """

    treatment: str = KEPT
    protects: Callable[[Any], bool] | None = None
    verbatim: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignore(Row):
    """An attribute or element that is read over: it says what is true only of a running object."""

    note: str = "not read: only true of a running domain"


@dataclass(frozen=True, slots=True)
class Table:
    """How one kind of object stands in XML.

    ``cls`` is a dataclass, or a tuple that ``make`` makes from {field: value}; ``take`` does the
    reverse. ``tag_field`` receives the name of the element. Child
    elements are written in the order of the rows. A class without a field ``kept`` cannot keep
    what it does not know: that is then an error. ``paired``: without content it is still written as
    a start and an end tag, as libvirt does for some.
    """

    tag: str
    cls: Any
    rows: tuple[Row, ...]
    make: Callable[[dict[str, Any]], Any] | None = None
    take: Callable[[Any], Mapping[str, Any]] | None = None
    tag_field: str | None = None
    namespaces: Mapping[str, str] = field(default_factory=dict)
    paired: bool = False
    node: Node = field(init=False, repr=False, compare=False)
    defaults: Mapping[str, Any] = field(init=False, repr=False, compare=False)
    keeps: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        defaults = _defaults(self.cls) if dataclasses.is_dataclass(self.cls) else {}
        object.__setattr__(self, "defaults", defaults)
        object.__setattr__(self, "keeps", "kept" in defaults)
        object.__setattr__(self, "node", _compile(self))

    def __hash__(self) -> int:
        return id(self)


@dataclass(slots=True)
class Node:
    """One element of the tree that a table's paths span; ``path`` is '' for the table's own."""

    tag: str
    shown: str
    path: str
    attributes: dict[str, list[Value | Const]] = field(default_factory=dict)
    read_elsewhere: set[str] = field(default_factory=set)
    """Attributes that are part of another one's value, such as units, or ignored."""
    kept_attributes: dict[str, Keep] = field(default_factory=dict)
    ignored: bool = False
    text: Value | None = None
    flag: Flag | None = None
    children: dict[str, Node] = field(default_factory=dict)
    object: Object | None = None
    repeat: Repeat | None = None
    keep: Keep | None = None
    any: Node | None = None
    below: tuple[Node, ...] = ()
    """The child nodes in the order of the rows."""
    writing: tuple[Node, ...] = ()
    """Those of them that fields may have something to write for."""
    units: tuple[Value, ...] = ()
    """The attributes that have another one for their unit."""

    @property
    def silent(self) -> bool:
        """Whether only what is kept can ever make it appear."""
        if self.keep is not None:
            return not self.keep.verbatim
        own = (self.attributes, self.text, self.flag, self.object, self.repeat)
        return not any(own) and not self.writing


def clark(name: str, namespaces: Mapping[str, str]) -> str:
    """``lxc:namespace`` as lxml spells it, ``{uri}namespace``."""
    prefix, colon, local = name.partition(":")
    return f"{{{namespaces[prefix]}}}{local}" if colon else name


def _defaults(cls: Any) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for item in dataclasses.fields(cls):
        if item.default is not dataclasses.MISSING:
            values[item.name] = item.default
        elif item.default_factory is not dataclasses.MISSING:
            values[item.name] = item.default_factory()
    return values


def _compile(table: Table) -> Node:
    root = Node(clark(table.tag, table.namespaces), table.tag, "")
    for row in table.rows:
        _add(root, row, table)
    _settle(root)
    return root


def _settle(node: Node) -> None:
    """What formatting would otherwise ask of every object anew."""
    node.below = (*node.children.values(), *([node.any] if node.any is not None else ()))
    for below in node.below:
        _settle(below)
    node.writing = tuple(below for below in node.below if not below.silent)
    node.units = tuple(
        row
        for rows in node.attributes.values()
        for row in rows
        if isinstance(row, Value) and row.unit is not None and row.type.unit is not None
    )


def _add(root: Node, row: Row, table: Table) -> None:
    node = root
    steps = [] if row.path == "." else row.path.split("/")
    attribute = steps.pop()[1:] if steps and steps[-1].startswith("@") else None
    for step in steps:
        if step == "*":
            node.any = node.any or Node("*", "*", f"{node.path}/*".lstrip("/"))
            node = node.any
            continue
        tag = clark(step, table.namespaces)
        path = f"{node.path}/{step}".lstrip("/")
        node = node.children.setdefault(tag, Node(tag, step, path))
    if isinstance(row, Const) or (isinstance(row, Value) and attribute is not None):
        assert attribute is not None
        node.attributes.setdefault(attribute, []).append(row)
    elif isinstance(row, Value):
        node.text = row
    elif isinstance(row, Flag):
        node.flag = row
    elif isinstance(row, Object):
        node.object = row
    elif isinstance(row, Repeat):
        node.repeat = row
    elif isinstance(row, Keep) and attribute is not None:
        node.kept_attributes[attribute] = row
    elif isinstance(row, Keep):
        node.keep = row
    elif isinstance(row, Ignore) and attribute is not None:
        node.read_elsewhere.add(attribute)
    elif isinstance(row, Ignore):
        node.ignored = True
    if isinstance(row, Value) and row.unit is not None:
        node.read_elsewhere.add(row.unit)
