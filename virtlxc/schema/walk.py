"""Down a document along our schema, to each element or attribute that does not fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lxml import etree

from virtlxc.schema.grammar import ANY, Grammar, Pattern, describe, matches, words
from virtlxc.schema.problem import Problem
from virtlxc.schema.shape import Shape, counted, shape
from virtlxc.xmlmap import line_of, suggestion
from virtlxc.xmlmap.raw import shown

MOST_PROBLEMS = 50


def walk(grammar: Grammar, root: etree._Element) -> list[Problem]:
    """The problems of a document, in the order of its lines; empty when the walk finds none."""
    walker = _Walker(grammar)
    start = grammar.start
    while start.kind in ("ref", "group"):
        start = grammar.target(start) if start.kind == "ref" else start.kids[0]
    found = walker.element(root, [start])
    # What is missing here and stands where it cannot was moved: one problem, not two.
    strays = {problem.name for problem in found if problem.kind == "unknown"}
    found = [each for each in found if each.kind != "missing" or each.name not in strays]
    return sorted(found, key=lambda problem: problem.line)[:MOST_PROBLEMS]


@dataclass(frozen=True, slots=True)
class _Walker:
    grammar: Grammar

    def element(self, element: etree._Element, patterns: list[Pattern]) -> list[Problem]:
        """The problems below one element by the pattern that fits it best."""
        best: list[Problem] | None = None
        for pattern in patterns:
            content = [shape(self.grammar, kid, element) for kid in pattern.kids]
            whole = Shape()
            for part in content:
                whole.add(part)
            found = [
                *self._attributes(element, whole),
                *self._children(element, whole),
                *self._text(element, whole),
            ]
            if best is None or len(found) < len(best):
                best = found
            if not found:
                break
        return best or []

    def _attributes(self, element: etree._Element, whole: Shape) -> Iterator[Problem]:
        if ANY in whole.attributes:
            return
        mended: set[str] = set()
        missing = whole.needed_attributes - set(map(str, element.attrib))
        strange = [name for name in element.attrib if name not in whole.attributes]
        # One stands where another is missing: that one was meant, whatever it looks like.
        instead = next(iter(missing)) if len(missing) == len(strange) == 1 else None
        for name, value in element.attrib.items():
            patterns = whole.attributes.get(str(name))
            if patterns is None:
                free = [each for each in whole.attributes if each not in element.attrib]
                near = _nearest(str(name), missing, free) or instead
                mended.add(near or "")
                yield _unknown_attribute(element, str(name), sorted(whole.attributes), near)
            elif not any(matches(self.grammar, each, str(value)) for each in patterns):
                yield self._bad_value(element, str(name), str(value), patterns)
        for name in sorted(missing - mended):
            yield _at(
                element,
                "missing",
                f"the attribute '{name}' is missing",
                tuple(self._described(whole.attributes[name])),
                name=name,
            )

    def _children(self, element: etree._Element, whole: Shape) -> Iterator[Problem]:
        counts = counted(element)
        missing = whole.needed_children - set(counts)
        mended: set[str] = set()
        seen: set[str] = set()
        for child in element:
            tag = str(child.tag)
            patterns = whole.children.get(tag) or self._wild(whole, tag)
            if not patterns:
                free = [
                    each for each in whole.children if each not in counts or each in whole.repeated
                ]
                near, problem = self._unknown_child(child, whole, missing, free)
                mended.add(near or "")
                yield problem
                continue
            if tag in seen and tag in whole.children and tag not in whole.repeated:
                yield _at(child, "twice", f"a second <{shown(child)}>; there can be one", name=tag)
                continue
            seen.add(tag)
            yield from self.element(child, patterns)
        for tag in sorted(missing - mended):
            text = f"<{_local(tag)}> is missing in <{shown(element)}>"
            yield _at(element, "missing", text, name=tag)

    def _wild(self, whole: Shape, tag: str) -> list[Pattern]:
        space = etree.QName(tag).namespace or ""
        return [
            each
            for each in whole.children.get(ANY, ())
            if not each.excluded or each.excluded != space
        ]

    def _unknown_child(
        self, child: etree._Element, whole: Shape, missing: set[str], free: list[str]
    ) -> tuple[str | None, Problem]:
        names = {_local(tag): tag for tag in whole.children if tag != ANY}
        wanted = [_local(tag) for tag in missing]
        name = _local(str(child.tag))
        home = self._home(str(child.tag))
        near = None if home else _nearest(name, wanted, [_local(tag) for tag in free])
        parent = child.getparent()
        inside = f" in <{shown(parent)}>" if parent is not None else ""
        problem = _at(
            child,
            "unknown",
            f"there is no <{shown(child)}>{inside}"
            + (f"; it belongs in {' or '.join(f'<{each}>' for each in home)}" if home else ""),
            tuple(sorted(names)),
            near,
            name=str(child.tag),
        )
        return (names.get(near) if near else None), problem

    def _home(self, tag: str) -> list[str]:
        """The elements in which one with this name can stand, when they are few."""
        homes = {
            _local(pattern.name)
            for pattern in self.grammar.elements()
            if pattern.name != ANY and tag in _names_inside(self.grammar, pattern)
        }
        return sorted(homes) if len(homes) <= 4 else []

    def _text(self, element: etree._Element, whole: Shape) -> Iterator[Problem]:
        if ANY in whole.attributes:
            return
        parts = [element.text or "", *(child.tail or "" for child in element)]
        text = "".join(parts)
        if not whole.texts:
            if text.strip():
                yield _at(
                    element,
                    "text",
                    f"<{shown(element)}> holds the text '{_short(text)}'; it has none",
                )
            return
        if not any(matches(self.grammar, each, text) for each in whole.texts):
            yield self._bad_value(element, None, text, whole.texts)

    def _bad_value(
        self, element: etree._Element, name: str | None, value: str, patterns: list[Pattern]
    ) -> Problem:
        known = [word for each in patterns for word in words(self.grammar, each)]
        return _at(
            element,
            "value",
            f"'{_short(value)}' is not allowed",
            tuple(self._described(patterns)),
            suggestion(value, known),
            name,
            name or str(element.tag),
        )

    def _described(self, patterns: Iterable[Pattern]) -> list[str]:
        parts = [part for each in patterns for part in describe(self.grammar, each)]
        return list(dict.fromkeys(parts))


def _names_inside(grammar: Grammar, pattern: Pattern) -> set[str]:
    """The names of the child elements of an element pattern."""
    names: set[str] = set()
    seen: set[str] = set()
    todo = list(pattern.kids)
    while todo:
        each = todo.pop()
        if each.kind == "element":
            names.add(each.name)
        elif each.kind == "ref":
            if each.name not in seen:
                seen.add(each.name)
                todo.append(grammar.target(each))
        else:
            todo.extend(each.kids)
    return names


def _nearest(name: str, wanted: Iterable[str], free: Iterable[str]) -> str | None:
    """What is missing is likelier meant than what could also be there."""
    return suggestion(name, sorted(wanted)) or suggestion(name, sorted(free))


def _unknown_attribute(
    element: etree._Element, name: str, known: list[str], near: str | None
) -> Problem:
    text = f"<{shown(element)}> has no attribute '{name}'"
    return _at(element, "unknown", text, tuple(known), near, name, name)


def _at(
    element: etree._Element,
    kind: str,
    message: str,
    allowed: tuple[str, ...] = (),
    near: str | None = None,
    attribute: str | None = None,
    name: str = "",
) -> Problem:
    path = element.getroottree().getpath(element) + (f"/@{attribute}" if attribute else "")
    return Problem(
        line=line_of(element),
        path=path,
        message=message,
        kind=kind,
        name=_local(name),
        allowed=allowed,
        suggestion=near,
    )


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _short(text: str) -> str:
    text = " ".join(text.split()) if text.strip() else text
    return text if len(text) <= 60 else text[:57] + "..."
