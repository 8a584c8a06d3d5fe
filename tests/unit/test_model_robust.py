"""Whatever bytes come in: an error that a person can read, or a domain that can be written."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.unit.domains import DATA, EXAMPLES
from tests.unit.mutations import mutants
from virtlxc.errors import VirtlxcError
from virtlxc.model import Domain, check, format_domain, parse_domain, unserved

INPUTS = [*sorted(DATA.glob("*-in.xml")), *EXAMPLES]
TRIES = 150


def damaged(data: bytes, random: Random) -> bytes:
    """A byte changed, some dropped, some doubled elsewhere, or the end cut off."""
    at = random.randrange(len(data))
    match random.randrange(4):
        case 0:
            return data[:at] + bytes([random.randrange(256)]) + data[at + 1 :]
        case 1:
            return data[:at] + data[at + random.randrange(1, 9) :]
        case 2:
            start = random.randrange(len(data))
            return data[:at] + data[start : start + random.randrange(1, 60)] + data[at:]
        case _:
            return data[:at]


def domain_of(data: bytes | str) -> Domain | None:
    try:
        domain = parse_domain(data)
    except VirtlxcError as error:
        assert error.message
        return None
    unserved(domain)
    try:
        check(domain)
    except VirtlxcError as error:
        assert error.message.startswith("domain '")
    return domain


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.stem)
def test_damaged_documents(path: Path) -> None:
    random = Random(path.name)
    data = path.read_bytes()
    for _ in range(TRIES):
        domain = domain_of(damaged(data, random))
        if domain is not None:
            assert parse_domain(format_domain(domain)) == domain


@pytest.mark.parametrize("name", ["metadata", "kept", "webserver", "ci-runner"])
def test_what_a_mistake_leaves_is_kept(name: str) -> None:
    (path,) = (path for path in INPUTS if path.stem.removesuffix("-in") == name)
    for mutant in mutants(path.read_text()):
        domain = domain_of(mutant.text)
        if domain is not None:
            assert parse_domain(format_domain(domain)) == domain, mutant.what
