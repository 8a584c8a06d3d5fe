"""Every small mistake in a document: misspelt, moved, wrong value, doubled; one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

from lxml import etree

WRONG = "\u00a7wrong\u00a7"


@dataclass(frozen=True, slots=True)
class Mutant:
    """``line`` of the mistake in ``text``; ``meant``: the right spelling, where it was misspelt."""

    kind: str
    what: str
    text: str
    line: int
    meant: str | None = None


def misspellings(name: str) -> list[str]:
    """Two of: one letter dropped, doubled, exchanged with the next, replaced; in the middle."""
    at = len(name) // 2
    swapped = name[: at - 1] + name[at] + name[at - 1] + name[at + 1 :] if at else name
    forms = [
        name[:at] + name[at + 1 :],
        name[:at] + name[at] + name[at:],
        swapped,
        name[:at] + ("x" if name[at] != "x" else "y") + name[at + 1 :],
    ]
    # By turns, so that a whole inventory of names sees all four.
    return [form for form in forms[len(name) % 2 :: 2] if form and form != name]


def mutants(text: str) -> Iterator[Mutant]:
    """All mutants of one document."""
    root = _read(text)
    for place in [root.getroottree().getpath(each) for each in root.iter()]:
        yield from _of_element(root, place)
        for name in _find(root, place).attrib:
            yield from _of_attribute(root, place, str(name))


def _of_element(root: etree._Element, place: str) -> Iterator[Mutant]:
    original = _find(root, place)
    name = etree.QName(original).localname
    if original is root:
        return
    for form in misspellings(name):
        copy = deepcopy(root)
        element = _find(copy, place)
        space = etree.QName(element).namespace
        element.tag = f"{{{space}}}{form}" if space else form
        yield _mutant("misspelt", place, copy, element, name)
    copy = deepcopy(root)
    element = _find(copy, place)
    parent = element.getparent()
    assert parent is not None
    twin = deepcopy(element)
    element.addnext(twin)
    yield _mutant("doubled", place, copy, twin)
    if (original.text or "").strip():
        copy = deepcopy(root)
        element = _find(copy, place)
        element.text = WRONG
        yield _mutant("wrong value", place, copy, element)
    for new_home in ("os", "devices"):
        copy = deepcopy(root)
        element, home = _find(copy, place), copy.find(new_home)
        if home is None or element.getparent() is home or home in element.iter():
            continue
        home.append(element)
        yield _mutant("moved", f"{place} to {new_home}", copy, element)


def _of_attribute(root: etree._Element, place: str, name: str) -> Iterator[Mutant]:
    for form in misspellings(name):
        copy = deepcopy(root)
        element = _find(copy, place)
        pairs = [(form if key == name else str(key), value) for key, value in element.items()]
        element.attrib.clear()
        for key, value in pairs:
            element.set(key, value)
        yield _mutant("misspelt", f"{place}/@{name}", copy, element, name)
    copy = deepcopy(root)
    element = _find(copy, place)
    element.set(name, WRONG)
    yield _mutant("wrong value", f"{place}/@{name}", copy, element)


def _find(root: etree._Element, place: str) -> etree._Element:
    found = root.getroottree().xpath(place, namespaces=_prefixes(root))
    assert isinstance(found, list)
    element = found[0]
    assert isinstance(element, etree._Element)
    return element


def _prefixes(root: etree._Element) -> dict[str, str]:
    spaces: dict[str, str] = {}
    for element in root.iter():
        spaces.update({key: uri for key, uri in element.nsmap.items() if key})
    return spaces


def _read(text: str) -> etree._Element:
    parser = etree.XMLParser(remove_comments=True, remove_pis=True)
    return etree.fromstring(text.encode(), parser)


def _mutant(
    kind: str,
    what: str,
    root: etree._Element,
    element: etree._Element,
    meant: str | None = None,
) -> Mutant:
    text = etree.tostring(root, encoding="unicode")
    place = root.getroottree().getpath(element)
    line = _find(_read(text), place).sourceline
    assert isinstance(line, int)
    return Mutant(kind, what, text, line, meant)
