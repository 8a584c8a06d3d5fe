"""Pools and volumes read from XML and written back as libvirt 9.0.0 does."""

from __future__ import annotations

import pytest

from tests.unit.test_schema_tables import compare, elements
from virtlxc.errors import Code, VirtlxcError
from virtlxc.model.pool import POOL, format_pool, parse_pool
from virtlxc.model.volume import VOLUME, format_volume, parse_volume
from virtlxc.schema import validate
from virtlxc.schema.grammar import grammar
from virtlxc.xmlmap import Table, check_table, tables_of

POOL_IN = """<pool type='dir'><target><path>/srv/images/</path><permissions><group>0</group>
<owner>7</owner><mode>711</mode></permissions></target><name>p</name></pool>"""
POOL_OUT = """<pool type='dir'>
  <name>p</name>
  <capacity unit='bytes'>3</capacity>
  <allocation unit='bytes'>1</allocation>
  <available unit='bytes'>2</available>
  <source>
  </source>
  <target>
    <path>/srv/images</path>
    <permissions>
      <mode>0711</mode>
      <owner>7</owner>
      <group>0</group>
    </permissions>
  </target>
</pool>
"""
VOLUME_IN = """<volume><capacity unit='MiB'>10</capacity><name>v.img</name>
<allocation>5</allocation><target><format type='raw'/></target></volume>"""
VOLUME_OUT = """<volume type='file'>
  <name>v.img</name>
  <capacity unit='bytes'>10485760</capacity>
  <allocation unit='bytes'>5</allocation>
  <target>
    <format type='raw'/>
  </target>
</volume>
"""


@pytest.mark.parametrize("table", [*tables_of(POOL), *tables_of(VOLUME)], ids=lambda one: one.tag)
def test_tables_are_sound(table: Table) -> None:
    assert check_table(table) == []


def test_a_pool_as_libvirt_writes_it() -> None:
    written = format_pool(parse_pool(POOL_IN), sizes=(3, 1, 2))
    assert written == POOL_OUT
    assert format_pool(parse_pool(written)) == POOL_OUT


def test_a_volume_as_libvirt_writes_it() -> None:
    written = format_volume(parse_volume(VOLUME_IN))
    assert written == VOLUME_OUT
    assert format_volume(parse_volume(written)) == VOLUME_OUT


@pytest.mark.parametrize(("kind", "text"), [
    ("storagepool", POOL_IN), ("storagepool", POOL_OUT),
    ("storagevol", VOLUME_IN), ("storagevol", VOLUME_OUT),
])  # fmt: skip
def test_the_schemas_take_them(kind: str, text: str) -> None:
    assert validate(text, kind) == ()


@pytest.mark.parametrize(("body", "words"), [
    ("<pool type='dir'><name>p</name></pool>", "missing storage pool target path"),
    ("<pool type='foo'><name>p</name></pool>", "'foo' is not allowed"),
    ("<pool type='dir'><name>a/b</name><target><path>/x</path></target></pool>", "'a/b' is not"),
    ("<pool type='dir'><name>.p</name><target><path>/x</path></target></pool>", "begins with '.'"),
    ("<pool type='dir'><name>p</name><target><path>x</path></target></pool>", "absolute path"),
    ("<pool type='dir'><name>p</name><uuid>9</uuid><target><path>/x</path></target></pool>",
     "'9' is not a UUID"),
])  # fmt: skip
def test_pools_that_are_refused(body: str, words: str) -> None:
    with pytest.raises(VirtlxcError) as raised:
        parse_pool(body)
    assert raised.value.code == Code.XML_ERROR
    assert words in raised.value.message


@pytest.mark.parametrize("name", ["../x", "a/b", "..", "."])
def test_names_of_volumes_stay_in_the_folder(name: str) -> None:
    with pytest.raises(VirtlxcError):
        parse_volume(f"<volume><name>{name}</name><capacity>1</capacity></volume>")


@pytest.mark.parametrize(("table", "kind"), [(POOL, "storagepool"), (VOLUME, "storagevol")])
def test_table_and_schema_have_the_same_names(table: Table, kind: str) -> None:
    schema = grammar(kind)
    patterns = elements(schema)[table.tag]
    assert list(compare(schema, table, table.node, patterns, table.tag)) == []
