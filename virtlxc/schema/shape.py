"""What one element may hold: the union of what its pattern allows for it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from lxml import etree

from virtlxc.schema.grammar import ANY, Grammar, Pattern, words


@dataclass(slots=True)
class Shape:
    """Names of attributes and child elements with their patterns; what must be; what is single."""

    attributes: dict[str, list[Pattern]] = field(default_factory=dict)
    children: dict[str, list[Pattern]] = field(default_factory=dict)
    needed_attributes: set[str] = field(default_factory=set)
    needed_children: set[str] = field(default_factory=set)
    repeated: set[str] = field(default_factory=set)
    texts: list[Pattern] = field(default_factory=list)

    def add(self, other: Shape) -> None:
        for name, patterns in other.attributes.items():
            self.attributes.setdefault(name, []).extend(patterns)
        for name, patterns in other.children.items():
            self.children.setdefault(name, []).extend(patterns)
        self.repeated |= other.repeated
        self.texts += other.texts
        self.needed_attributes |= other.needed_attributes
        self.needed_children |= other.needed_children


def shape(grammar: Grammar, pattern: Pattern, element: etree._Element) -> Shape:
    """What ``element`` may hold by ``pattern``, its content.

    Where a choice hangs on an attribute (``<interface type='bridge'>``), only what goes with the
    element's own value is in it; where that value is wrong, all of it is.
    """
    result = Shape()
    kind = pattern.kind
    if only_text(grammar, pattern):
        # Kept whole, because its documentation stands on the define.
        result.texts.append(pattern)
    elif kind == "ref":
        return shape(grammar, grammar.target(pattern), element)
    elif kind == "attribute":
        result.attributes[pattern.name] = pattern.kids
        if pattern.name != ANY:
            result.needed_attributes.add(pattern.name)
    elif kind == "element":
        result.children[pattern.name] = [pattern]
        if pattern.name != ANY:
            result.needed_children.add(pattern.name)
    elif kind == "choice":
        _choose(grammar, pattern, element, result)
    else:
        for kid in pattern.kids:
            result.add(shape(grammar, kid, element))
        if kind in ("optional", "repeat"):
            result.needed_attributes.clear()
            result.needed_children.clear()
        if kind in ("repeat", "group-repeat"):
            result.repeated |= set(result.children)
    return result


def _choose(grammar: Grammar, pattern: Pattern, element: etree._Element, result: Shape) -> None:
    fitting = [kid for kid in pattern.kids if _fits(grammar, kid, element)]
    shapes = [shape(grammar, kid, element) for kid in fitting or pattern.kids]
    for each in shapes:
        result.add(each)
    if len(shapes) > 1:
        result.needed_attributes = set.intersection(*(each.needed_attributes for each in shapes))
        result.needed_children = set.intersection(*(each.needed_children for each in shapes))


def only_text(grammar: Grammar, pattern: Pattern) -> bool:
    """Whether the pattern describes nothing but a text."""
    if pattern.kind == "ref":
        return only_text(grammar, grammar.target(pattern))
    if pattern.kind in ("choice", "group"):
        return bool(pattern.kids) and all(only_text(grammar, kid) for kid in pattern.kids)
    return pattern.kind in ("value", "data", "text", "empty")


def _fits(grammar: Grammar, branch: Pattern, element: etree._Element) -> bool:
    """Whether the attributes whose values are spelt out in this branch have one of them."""
    return all(
        (value := element.get(name)) in values or (value is None and not needed)
        for name, values, needed in _fixed(grammar, branch, True)
    )


def _fixed(grammar: Grammar, pattern: Pattern, needed: bool) -> list[tuple[str, list[str], bool]]:
    """The attributes with spelt out values: name, values, whether they must be there."""
    if pattern.kind == "ref":
        return _fixed(grammar, grammar.target(pattern), needed)
    if pattern.kind == "attribute":
        values = [word for kid in pattern.kids for word in words(grammar, kid)]
        return [(pattern.name, values, needed)] if values else []
    if pattern.kind in ("element", "choice"):
        return []
    inner = needed and pattern.kind not in ("optional", "repeat")
    return [item for kid in pattern.kids for item in _fixed(grammar, kid, inner)]


def counted(element: etree._Element) -> Counter[str]:
    """How often each child element stands in an element."""
    return Counter(str(child.tag) for child in element)
