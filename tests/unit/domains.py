"""Domains that several tests use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from virtlxc.model import Domain, complete, parse_domain

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(
    path
    for path in (CHECKOUT / "xml-examples").glob("*.xml")
    if not path.name.startswith("network-")
)
DATA = CHECKOUT / "tests" / "data" / "domain"

MINIMAL = (
    "<domain type='lxc'><name>web1</name><memory unit='MiB'>64</memory>"
    "<os><type>exe</type><init>/sbin/init</init></os>{more}<devices>{devices}</devices></domain>"
)


def xml(devices: str = "", more: str = "") -> str:
    """A small valid document with these devices and other elements."""
    return MINIMAL.format(devices=devices, more=more)


def completed(text: str) -> Domain:
    """The domain of a document with values that are the same in every run."""
    macs: Iterator[str] = (f"52:54:00:00:01:{number:02x}" for number in range(256))
    return complete(
        parse_domain(text),
        new_uuid=lambda: "6fd65115-9831-445d-a708-e0f0c4e4afa2",
        new_mac=lambda: next(macs),
        arch="x86_64",
    )
