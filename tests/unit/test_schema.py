"""Valid documents pass, and of a mistake a person learns where it is and what was meant."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest
from lxml import etree

from tests.unit.domains import EXAMPLES, xml
from tests.unit.generated import definition
from tests.unit.mutations import mutants
from virtlxc.errors import Code, VirtlxcError
from virtlxc.model import parse_domain
from virtlxc.schema import Problem, require_valid, validate
from virtlxc.schema.grammar import folder, grammar

# Part of the mutants that must be found in the right line, and of the misspelt ones whose right
# spelling must be proposed.
RIGHT_LINE = 0.98
RIGHT_WORD = 0.95


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_valid(path: Path) -> None:
    assert validate(path.read_text(), file=str(path)) == ()
    require_valid(path.read_bytes())


def test_there_are_enough_examples() -> None:
    assert len(EXAMPLES) >= 12


@pytest.fixture(scope="module")
def outcomes() -> list[tuple[str, bool, bool | None, str]]:
    """Of each mutant that is invalid: kind, right line, right word, and what it was."""
    found = []
    for path in EXAMPLES:
        for mutant in mutants(path.read_text()):
            problems = validate(mutant.text)
            if not problems or problems[0].kind == "rule":
                continue
            first = problems[0]
            word = first.suggestion == mutant.meant if mutant.meant else None
            what = f"{path.name}: {mutant.kind} {mutant.what}: {first} (is {mutant.line})"
            found.append((mutant.kind, first.line == mutant.line, word, what))
    return found


def test_the_mistake_is_found_in_its_line(
    outcomes: list[tuple[str, bool, bool | None, str]],
) -> None:
    kinds = Counter(kind for kind, *_ in outcomes)
    assert all(kinds[kind] > 50 for kind in ("misspelt", "moved", "wrong value", "doubled")), kinds
    wrong = [what for _, line, _, what in outcomes if not line]
    assert len(wrong) <= (1 - RIGHT_LINE) * len(outcomes), "\n".join(wrong[:20])


def test_the_right_spelling_is_proposed(
    outcomes: list[tuple[str, bool, bool | None, str]],
) -> None:
    misspelt = [(word, what) for _, _, word, what in outcomes if word is not None]
    wrong = [what for word, what in misspelt if not word]
    assert len(misspelt) > 1000
    assert len(wrong) <= (1 - RIGHT_WORD) * len(misspelt), "\n".join(wrong[:20])


def test_every_misspelling_is_found() -> None:
    """But for what may have any name: elements in metadata."""
    text = EXAMPLES[0].read_text()
    missed = [m.what for m in mutants(text) if m.kind == "misspelt" and not validate(m.text)]
    assert missed == []


ONE_EACH = [
    (
        "<filesytem type='mount'/>",
        "there is no <filesytem> in <devices>",
        "filesystem",
        "unknown",
    ),
    ("<interface tpye='bridge'/>", "<interface> has no attribute 'tpye'", "type", "unknown"),
    ("<interface type='brige'/>", "'brige' is not allowed (allowed: network, bridge", "bridge", ""),
    (
        "<interface type='bridge'><source network='a'/></interface>",
        "<source> has no attribute 'network' (allowed: bridge)",
        "bridge",
        "unknown",
    ),
    ("<memory>1</memory>", "", None, ""),
    ("<filesystem type='mount'><source dir='/a'/></filesystem>", "<target> is missing", None, ""),
    ("<init>/bin/sh</init>", "there is no <init> in <devices>; it belongs in <os>", None, ""),
    (
        "<console type='pty'><target port='x'/></console>",
        "'x' is not allowed (allowed: a w",
        None,
        "",
    ),
    ("some text", "<devices> holds the text 'some text'; it has none", None, "text"),
    (
        "<console type='pty'><target/><target/></console>",
        "a second <target>; there can be one",
        None,
        "twice",
    ),
    (
        "<interface type='bridge'><source bridge='b'/><mac address='1:0:0:0:0:0'/></interface>",
        "the second digit even",
        None,
        "value",
    ),
]


@pytest.mark.parametrize(("devices", "message", "meant", "kind"), ONE_EACH)
def test_messages(devices: str, message: str, meant: str | None, kind: str) -> None:
    problems = validate(xml(devices))
    if not message:
        assert problems == ()
        return
    assert len(problems) == 1, problems
    assert message in str(problems[0])
    assert problems[0].suggestion == meant
    assert kind in ("", problems[0].kind)


def test_several_problems_at_once() -> None:
    text = xml("\n<conslole/>\n<interface type='x'/>", "\n<vcpu>many</vcpu>")
    lines = [(problem.line, problem.kind) for problem in validate(text)]
    assert lines == [(2, "value"), (3, "unknown"), (4, "value")]


def test_what_contradicts_itself_is_a_problem_too() -> None:
    text = xml(
        more="<idmap><uid start='1' target='1' count='1'/>"
        "<gid start='0' target='1' count='1'/></idmap>"
    )
    (problem,) = validate(text)
    assert problem.kind == "rule"
    assert "<idmap> maps no <uid> 0" in problem.message


def test_what_is_not_well_formed_has_a_line() -> None:
    (problem,) = validate("<domain>\n<name>\n</domain>", file="a.xml")
    assert (problem.kind, problem.line) == ("syntax", 3)
    assert str(problem).startswith("a.xml:3: the domain XML is not well formed")


def test_how_a_problem_reads() -> None:
    (problem,) = validate(xml("\n<conslole type='pty'/>"), file="web1.xml")
    assert str(problem).startswith(
        "web1.xml:2: /domain/devices/conslole: there is no <conslole> in <devices> (allowed: au"
    )
    assert str(problem).endswith("; did you mean 'console'?")
    bare = Problem(line=4, path="/a", message="no", kind="value")
    assert str(bare) == "line 4: /a: no"


def test_require_valid() -> None:
    with pytest.raises(VirtlxcError, match="did you mean 'console'") as caught:
        require_valid(xml("<conslole/>"))
    assert caught.value.code == Code.XML_INVALID_SCHEMA == 92
    assert caught.value.message.startswith("XML document failed to validate against schema: ")


@pytest.mark.parametrize("path", sorted(folder().glob("*.rng")), ids=lambda path: path.stem)
def test_schemas_are_documented_and_understood(path: Path) -> None:
    root = etree.parse(path)
    assert path.read_text().splitlines()[1].startswith("<!-- ")
    if root.find("{http://relaxng.org/ns/structure/1.0}start") is not None:
        etree.RelaxNG(file=str(path))
        assert any(grammar(path.stem).elements())


def test_speed() -> None:
    """Of our own processor time, whatever else the machine does; true bounds: the benchmarks."""
    began = time.process_time()
    etree.RelaxNG(file=str(folder() / "domain.rng"))
    assert time.process_time() - began < 0.2
    text = max((path.read_text() for path in EXAMPLES), key=len)
    validate(text)
    began = time.process_time()
    for _ in range(20):
        validate(text)
        parse_domain(text)
    assert (time.process_time() - began) / 20 < 0.03


def test_no_interleave_is_directly_within_another() -> None:
    """libxml2 then refuses valid documents, by the order of their elements."""
    space = {"r": "http://relaxng.org/ns/structure/1.0"}
    roots = {path.name: etree.parse(path).getroot() for path in folder().glob("*.rng")}
    interleaves = {
        str(define.get("name"))
        for root in roots.values()
        for define in root.iterfind("r:define", space)
        if [child.tag for child in define] == [f"{{{space['r']}}}interleave"]
    }
    nested = [
        f"{name}: {ref.get('name')}"
        for name, root in roots.items()
        for ref in root.iterfind(".//r:interleave/r:ref", space)
        if ref.get("name") in interleaves
    ]
    nested += [
        f"{name}: an interleave in an interleave"
        for name, root in roots.items()
        for _ in root.iterfind(".//r:interleave/r:interleave", space)
    ]
    assert nested == []


def test_the_order_of_elements_does_not_matter() -> None:
    for number in range(300):
        assert validate(definition(number)) == (), number
