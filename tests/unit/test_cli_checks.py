"""plan and validate: without root, without a daemon, on a host that has nothing of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli_tool import run

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "xml-examples").glob("*.xml"))

DOMAIN = """<domain type='lxc'>
  <name>web1</name>
  <memory unit='KiB'>65536</memory>
  <os><type>exe</type><init>/sbin/init</init></os>
  <devices>
    <filesystem type='mount'><source dir='/nowhere/web1'/><target dir='/'/></filesystem>
    <interface type='bridge'><source bridge='br-nowhere'/>{more}</interface>
    <interface type='network'><source network='default'/></interface>
    <console type='pty'/>
  </devices>
</domain>
"""


@pytest.fixture
def domain(tmp_path: Path) -> str:
    path = tmp_path / "web1.xml"
    path.write_text(DOMAIN.format(more=""))
    return str(path)


def planned(*words: str) -> list[str]:
    """The lines of a plan, in an instance that has nothing."""
    ran = run(["--root", "/nonexistent", "plan", *words])
    assert (ran.err, ran.code) == ("", 0)
    return ran.out.splitlines()


def test_a_plan_says_where_its_facts_are_from_and_what_it_assumed(domain: str) -> None:
    lines = planned(domain)
    assert lines[:3] == [
        "plan of domain 'web1', with facts read passively (the daemon knows more)",
        "assumed: there is a folder /nowhere/web1",
        "assumed: there is a bridge br-nowhere",
    ]
    assert any("<bridge of default>" in line for line in lines)
    assert any(line.startswith("phase 1: controller") for line in lines)


def test_a_plan_is_the_same_every_time(domain: str) -> None:
    assert planned(domain) == planned(domain)


def test_facts_from_a_file(domain: str, tmp_path: Path) -> None:
    from virtlxc.host.probe import probe_passive

    facts = tmp_path / "facts.json"
    facts.write_text(probe_passive().to_json())
    assert planned(domain, "--facts", str(facts))[0].endswith(f"with facts from {facts}")
    facts.write_text(json.dumps({"kernel": 7}))
    ran = run(["plan", domain, "--facts", str(facts)])
    assert ran.err.startswith(f"error: '{facts}' holds no facts of a host: ")
    ran = run(["plan", domain, "--facts", "/nonexistent/f"])
    assert ran.err == "error: Failed to open file '/nonexistent/f': No such file or directory\n"


def test_a_plan_refuses_what_a_start_would(tmp_path: Path) -> None:
    path = tmp_path / "filtered.xml"
    path.write_text(DOMAIN.format(more="<filterref filter='clean-traffic'/>"))
    ran = run(["--root", "/nonexistent", "plan", str(path)])
    assert ran.code == 1
    assert "filterref has no effect" in ran.err
    assert "--ignore filterref" in ran.err
    assert planned(str(path), "--ignore", "filterref")


def test_a_plan_by_name_beside_a_file_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("web1").write_text("#!/bin/sh\n")
    defined = tmp_path / "etc/virtlxc/lxc/web1.xml"
    defined.parent.mkdir(parents=True)
    defined.write_text(DOMAIN.format(more=""))
    ran = run(["--root", str(tmp_path), "plan", "web1"])
    assert ran.out.startswith("plan of domain 'web1'"), ran.err
    Path("web1").write_text(DOMAIN.format(more="").replace("web1", "file"))
    assert run(["--root", str(tmp_path), "plan", "web1"]).out.startswith("plan of domain 'file'")


def test_a_plan_of_nothing(tmp_path: Path) -> None:
    ran = run(["--root", str(tmp_path), "-c", str(tmp_path / "sock"), "plan", "nobody"])
    assert ran.err.startswith("error: there is no file and no domain 'nobody'\nerror: ")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_are_valid(path: Path) -> None:
    ran = run(["validate", str(path)])
    assert (ran.out, ran.err, ran.code) == (f"{path} is valid\n\n", "", 0)


def test_validate_names_file_line_and_what_was_meant(tmp_path: Path) -> None:
    bad = tmp_path / "bad.xml"
    bad.write_text("<domain type='lxc'>\n<name>x</name>\n<memorry>1</memorry>\n</domain>\n")
    good = tmp_path / "good.xml"
    good.write_text(DOMAIN.format(more=""))
    ran = run(["validate", str(bad), str(good)])
    assert f"error: {bad}:3: " in ran.err
    assert "did you mean 'memory'?" in ran.err
    assert ran.err.endswith("error: 1 of 2 files cannot be used as they are\n")
    assert ran.out == f"{good} is valid\n\n"
    assert ran.code == 1


def test_validate_of_what_cannot_be_read(tmp_path: Path) -> None:
    ran = run(["validate", str(tmp_path / "none")])
    assert ran.err == f"error: Failed to open file '{tmp_path}/none': No such file or directory\n"
    (tmp_path / "latin").write_bytes(b"<domain>\xff</domain>")
    assert "is not UTF-8 text" in run(["validate", str(tmp_path / "latin")]).err
