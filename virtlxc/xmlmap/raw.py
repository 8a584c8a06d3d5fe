"""Elements that no table describes: kept as one canonical text, and laid out again on output."""

from __future__ import annotations

from lxml import etree

from virtlxc.markup import escape, quote


def shown(element: etree._Element) -> str:
    """The name with its prefix, as the document spells it."""
    name = etree.QName(element).localname
    return f"{element.prefix}:{name}" if element.prefix else name


def canonical(element: etree._Element) -> str:
    """One line; blanks between elements are dropped, texts stay as they are."""
    out: list[str] = []
    _write(element, {}, out, "", "")
    return "".join(out)


def laid_out(xml: str, indent: str) -> list[str]:
    """A canonical text as lines, each with its newline."""
    out: list[str] = []
    _write(etree.fromstring(xml), {}, out, indent, "\n")
    return ["".join(out)]


def _write(
    element: etree._Element,
    declared: dict[str | None, str],
    out: list[str],
    indent: str,
    newline: str,
) -> None:
    names = {key: uri for key, uri in element.nsmap.items() if declared.get(key) != uri}
    used: set[str | None] = {part.prefix for part in element.iter() if isinstance(part.tag, str)}
    used |= {_prefix_of(element, str(name)) for part in element.iter() for name in part.attrib}
    out.append(f"{indent}<{shown(element)}")
    inner = dict(declared)
    for prefix, uri in sorted(names.items(), key=lambda item: item[0] or ""):
        if prefix in used:
            inner[prefix] = uri
            out.append(f" xmlns{':' + prefix if prefix else ''}={quote(uri)}")
    for name, value in element.attrib.items():
        local = etree.QName(str(name)).localname
        prefix = _prefix_of(element, str(name))
        out.append(f" {prefix + ':' if prefix else ''}{local}={quote(str(value))}")
    _content(element, inner, out, indent, newline)


def _content(
    element: etree._Element,
    declared: dict[str | None, str],
    out: list[str],
    indent: str,
    newline: str,
) -> None:
    text = element.text or ""
    mixed = any((child.tail or "").strip() for child in element) or (len(element) and text.strip())
    if not len(element):
        out.append(f">{escape(text)}</{shown(element)}>{newline}" if text else f"/>{newline}")
    elif mixed:
        out.append(f">{escape(text)}")
        for child in element:
            _write(child, declared, out, "", "")
            out.append(escape(child.tail or ""))
        out.append(f"</{shown(element)}>{newline}")
    else:
        out.append(f">{newline}")
        for child in element:
            _write(child, declared, out, f"{indent}  " if newline else "", newline)
        out.append(f"{indent}</{shown(element)}>{newline}")


def _prefix_of(element: etree._Element, name: str) -> str | None:
    uri = etree.QName(name).namespace
    if uri is None:
        return None
    if uri == "http://www.w3.org/XML/1998/namespace":
        return "xml"
    return next(key for key, value in element.nsmap.items() if value == uri and key)
