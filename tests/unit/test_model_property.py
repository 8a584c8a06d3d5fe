"""Model to XML and back is the identity, for anything a document can describe."""

from __future__ import annotations

import dataclasses

from hypothesis import given, settings
from lxml import etree

from tests.unit.strategies import domains
from virtlxc.model import Domain, format_domain, parse_domain
from virtlxc.model.container import Container
from virtlxc.schema.grammar import folder, grammar
from virtlxc.schema.walk import walk
from virtlxc.xmlmap import read

SCHEMA = etree.RelaxNG(file=str(folder() / "domain.rng"))
FEW = settings(max_examples=40)


@FEW
@given(domains())
def test_model_to_xml_to_model(domain: Domain) -> None:
    text = format_domain(domain)
    assert parse_domain(text) == domain
    assert parse_domain(text.encode()) == domain
    assert hash(parse_domain(text)) == hash(domain)
    assert format_domain(parse_domain(text)) == text


@FEW
@given(domains())
def test_every_field_is_generated_and_written(domain: Domain) -> None:
    """A field that no row writes would pass above if nothing ever set it: here each is unset."""
    text = format_domain(domain)
    plain = Domain(name=domain.name, memory=domain.memory)
    for item in dataclasses.fields(Domain):
        default = getattr(plain, item.name)
        if getattr(domain, item.name) != default:
            assert format_domain(dataclasses.replace(domain, **{item.name: default})) != text


@FEW
@given(domains())
def test_foreign_metadata_is_not_touched(domain: Domain) -> None:
    if domain.metadata is None:
        return
    assert domain.metadata in format_domain(domain)
    assert domain.metadata in format_domain(dataclasses.replace(domain, container=Container()))


@FEW
@given(domains())
def test_the_walk_along_the_schema_is_as_strict_as_the_schema(domain: Domain) -> None:
    """lxml says whether a document is valid, the walk where it is not: they must agree."""
    root = read(format_domain(domain), "domain")
    problems = walk(grammar("domain"), root)
    assert bool(problems) != SCHEMA.validate(root), (problems, SCHEMA.error_log)
