"""Other programs' configurations, as libvirt's driver takes them: for LXC's only.

The text came over the wire, perhaps from another host: nothing that it names is read here.
"""

from __future__ import annotations

import re

from virtlxc import convert
from virtlxc.errors import Code, VirtlxcError
from virtlxc.model import format_domain, parse_domain
from virtlxc.rpc.registry import Call, handles

_FORMAT = "lxc-tools"


def _check(form: str) -> None:
    if form != _FORMAT:
        raise VirtlxcError(f"invalid argument: unsupported config type {form}", Code.INVALID_ARG)


@handles("CONNECT_DOMAIN_XML_FROM_NATIVE", flags=0)
def connect_domain_xml_from_native(
    call: Call, nativeFormat: str, nativeConfig: str, flags: int
) -> str:
    """What has no counterpart stands in a comment before the document: libvirt drops it."""
    _check(nativeFormat)
    found = convert.read_native(nativeFormat, nativeConfig)
    lines = [re.sub("-(?=-)", "- ", str(note)) for note in found.notes]
    comment = "".join(f"  {line}\n" for line in lines)
    head = f"<!--\nNot in this domain, by line of the configuration:\n{comment}-->\n"
    return (head if lines else "") + format_domain(found.domain)


@handles("CONNECT_DOMAIN_XML_TO_NATIVE", flags=0)
def connect_domain_xml_to_native(call: Call, nativeFormat: str, domainXml: str, flags: int) -> str:
    """What LXC has no key for stands in comments at the end."""
    _check(nativeFormat)
    written = convert.write_native(nativeFormat, parse_domain(domainXml))
    return written.text + "".join(f"# {note}\n" for note in written.notes)
