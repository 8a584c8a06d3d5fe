"""Plans: their text against golden files, and what is true of every one of them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.plan_scenes import BRIDGED, FULL, GOLDEN, START, domain, plan
from virtlxc.host.facts import Network, StartFacts
from virtlxc.model import Bandwidth, Console, Domain, Features, Os
from virtlxc.model.bandwidth import Rate
from virtlxc.plan import Plan, process, render
from virtlxc.plan.steps import Step
from virtlxc.runtime.ops import OPS

ids = [row[0] for row in GOLDEN]
every_plan = pytest.mark.parametrize(("name", "what", "host", "start", "settings"), GOLDEN, ids=ids)


@every_plan
def test_golden(
    name: str,
    what: Domain,
    host: str,
    start: StartFacts,
    settings: dict[str, Any],
    golden: Callable[[str, str], None],
) -> None:
    text = render(plan(what, host, start, **settings), facts="made by hand")
    golden(f"plans/{name}.txt", text)


@every_plan
def test_json_round_trip(
    name: str, what: Domain, host: str, start: StartFacts, settings: dict[str, Any]
) -> None:
    made = plan(what, host, start, **settings)
    assert Plan.from_json(json.loads(json.dumps(made.to_json()))) == made


@every_plan
def test_operations_take_the_arguments(
    name: str, what: Domain, host: str, start: StartFacts, settings: dict[str, Any]
) -> None:
    for step in plan(what, host, start, **settings).steps:
        inspect.signature(OPS[step.op]).bind(None, **step.args)
        if step.undo is not None:
            inspect.signature(OPS[step.undo.op]).bind(None, **step.undo.args)


@every_plan
def test_names_are_unique(
    name: str, what: Domain, host: str, start: StartFacts, settings: dict[str, Any]
) -> None:
    names = [step.name for step in plan(what, host, start, **settings).steps]
    assert len(names) == len(set(names))


@every_plan
def test_order_that_the_runtime_relies_on(
    name: str, what: Domain, host: str, start: StartFacts, settings: dict[str, Any]
) -> None:
    made = plan(what, host, start, **settings)
    phases = list(made.phases())
    assert [side for side, _ in phases].count("daemon") == 1 and phases[0][0] == "daemon"
    for _, steps in phases:
        for step in steps[:-1]:
            assert step.op not in ("fork-init", "exec"), step.name
    ops = [step.op for step in made.steps]
    boot = [step.boot for step in made.steps[ops.index("fork-stage") :]]
    paused = [step.op for step in made.steps[1:] if step.side != "daemon" and not step.boot]
    if settings.get("paused"):
        assert paused[-4:] == ["trace", "trace-await", "cgroup-write", "trace-end"]
    assert boot.count(False) == (4 if settings.get("paused") else 0)
    with_groups = [
        number
        for number, step in enumerate(made.steps)
        if step.side == "controller" and ("cgroup" in step.op or "bpf" in step.op)
    ]
    if settings.get("leaf"):
        assert ops.index("journal") < ops.index("await-scope") < min(with_groups)


@every_plan
def test_keys_are_made_before_they_are_used(
    name: str, what: Domain, host: str, start: StartFacts, settings: dict[str, Any]
) -> None:
    """Descriptors reach stage and init by the fork: what they use is there before it."""
    made = plan(what, host, start, **settings)
    inherited: set[str] = set()
    known = set(made.fds)
    for step in made.steps:
        if step.op == "fork-stage":
            inherited = set(known)
        available = known if step.side == "controller" else inherited
        used = {step.args.get("netns"), step.args.get("idmap"), *step.args.get("keep", [])}
        if step.op in ("attach", "attach-root", "pivot", "mount-attr", "node", "ptys", "join-ns"):
            used.add(step.args["key"])
        used = {key for key in used if isinstance(key, str)}
        assert used <= available, step.name
        if step.op in ("open-tree", "new-mount", "open-ns"):
            (known if step.side == "controller" else inherited).add(step.args["key"])


def _steps(made: Plan, op: str) -> list[Step]:
    return [step for step in made.steps if step.op == op]


def test_console_is_made_without_one() -> None:
    assert plan(domain(consoles=())).consoles == 1
    assert plan(domain(consoles=(Console(), Console()))).consoles == 2


def test_a_port_group_that_is_not_there_is_told_of() -> None:
    card = replace(BRIDGED, type="network", source="default", portgroup="pg")
    made = plan(domain(interfaces=(card,)))
    assert "network 'default' has no port group 'pg', ignored" in made.warnings
    limits = {"pg": Bandwidth(inbound=Rate(average=10)), "": Bandwidth(inbound=Rate(average=9))}
    network = Network(active=True, bridge="virbr0", port_limits=limits)
    start = replace(START, networks={"default": network})
    assert StartFacts.from_json(start.to_json()) == start
    made = plan(domain(interfaces=(card,)), start=start)
    assert not any("port group" in warning for warning in made.warnings)
    assert [step.args["inbound"]["average"] for step in _steps(made, "link-rate")] == [10240]


def test_environment_of_the_domain_wins() -> None:
    env = dict(_steps(plan(FULL), "exec")[0].args["env"])
    assert env["TERM"] == "xterm"
    assert env["container"] == "lxc-libvirt"
    assert env["container_ttys"] == "pts/1 pts/2"
    assert env["LIBVIRT_LXC_CMDLINE"] == "quiet"


def test_generated_link_names_differ_and_are_stable() -> None:
    made = plan(domain(interfaces=(BRIDGED, BRIDGED)))
    hosts = [host for host, _ in made.links]
    assert len(set(hosts)) == 2
    assert [guest for _, guest in made.links] == ["eth0", "eth1"]
    assert plan(domain(interfaces=(BRIDGED, BRIDGED))).links == made.links
    other = plan(domain(interfaces=(BRIDGED,), uuid="00000000-3b5e-4a53-9a7e-0123456789ab"))
    assert other.links[0][0] not in hosts


def test_net_admin_stays_off_the_hosts_network_unless_asked() -> None:
    net_admin = 12
    keep = _steps(plan(domain(interfaces=())), "caps")[0].args["keep"]
    assert net_admin not in keep
    asked = domain(interfaces=(), features=Features(caps=(("net_admin", "on"),)))
    assert net_admin in _steps(plan(asked), "caps")[0].args["keep"]
    assert net_admin in _steps(plan(domain()), "caps")[0].args["keep"]


def test_the_root_of_a_range_owns_its_terminal_and_nodes() -> None:
    made = plan(FULL)
    (ptys,) = _steps(made, "ptys")
    assert (ptys.args["uid"], ptys.args["gid"]) == (1000000, 1000005)
    assert {step.args["uid"] for step in _steps(made, "node")} == {1000000}


def test_a_shifted_source_is_bound_and_an_unshifted_one_translated() -> None:
    translated = {
        step.args["key"] for step in _steps(plan(FULL), "mount-attr") if step.args.get("idmap")
    }
    assert translated == {"root"}


def test_an_account_of_the_host_owns_no_container() -> None:
    (fork,) = _steps(plan(FULL), "fork-stage")
    assert fork.args["owner"] == 1000000
    (fork,) = _steps(plan(FULL, start=replace(START, root_account="alice")), "fork-stage")
    assert "owner" not in fork.args
    assert "the host's root, as 1000000 is the host's account alice" in fork.text


@pytest.mark.parametrize(
    ("name", "expected"),
    [("web1", "web1"), ("my_web.1", "myweb1"), ("-x", "x"), ("--x", "-x"), ("é", ""), ("A", "A")],
)
def test_host_name_is_filtered_as_libvirt_does(name: str, expected: str) -> None:
    assert process.host_name(name) == expected


def test_no_host_name_without_a_usable_letter() -> None:
    assert not _steps(plan(domain(name="é")), "hostname")


def test_hard_limit_overrides_memory() -> None:
    writes = {step.args["file"]: step.args["value"] for step in _steps(plan(FULL), "cgroup-write")}
    assert writes["memory.max"] == str(131072 * 1024)
    assert writes["memory.swap.max"] == str(65536 * 1024)


def test_warnings() -> None:
    warnings = plan(domain(interfaces=(), filesystems=())).warnings
    assert any("sees the host's programs" in text for text in warnings)
    assert any("root on the host" in text for text in warnings)
    assert any("on the host's network" in text for text in warnings)
    assert plan(FULL).warnings == ()


def test_text_names_placeholders() -> None:
    text = render(plan(domain(os=Os(init="/sbin/init"))), facts="made by hand")
    assert "\0" not in text
    assert "lxc-<controller>-web1.libvirt-lxc" in text
    assert text.splitlines()[0] == "plan of domain 'web1', with facts made by hand"


def test_facts_travel_as_json() -> None:
    assert StartFacts.from_json(START.to_json()) == START
