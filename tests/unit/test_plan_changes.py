"""Changes of a running container: what two plans differ by, and how it is taken back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.plan_scenes import BRIDGED, HOSTS, ROOT, SHIFTED, START, domain, options
from virtlxc.host.facts import Source, StartFacts
from virtlxc.model import Bandwidth, Disk, Domain, Filesystem, Hostdev, Interface, Ip, Rate, Route
from virtlxc.plan import start
from virtlxc.plan.changes import AtStartOnly, Change, difference, understood
from virtlxc.plan.scene import Scene
from virtlxc.runtime.service import FEATURES

INIT = (4711, 99)
CARD = replace(BRIDGED, target="vnet0", guest="eth0")
SECOND = Interface(
    type="bridge", source="br0", mac="52:54:00:00:00:02", target="vnet1", guest="eth1",
    ips=(Ip(address="10.0.0.2", prefix=24),),
    routes=(Route(address="0.0.0.0", gateway="10.0.0.1"),),
)  # fmt: skip
DATA = Filesystem(source="/srv/data", target="/data")
DISK = Disk(type="file", source="/srv/disk.img", target="vda")
FACTS = replace(
    START,
    sources=(
        *START.sources,
        Source(path="/srv/disk.img", kind="file"),
        Source(path="/dev/net/tun", kind="char", device=(10, 200)),
    ),
)
TUN = Hostdev(mode="capabilities", type="misc", source="/dev/net/tun")


def change(before: Domain, after: Domain, facts: StartFacts = FACTS) -> Change:
    plans = [
        tuple(start.steps(Scene(one, HOSTS["v2"], facts, options(leaf="/machine/x"))))
        for one in (before, after)
    ]
    return difference(plans[0], plans[1], INIT)


def told(found: Change) -> list[str]:
    return [f"{step.side}: {step.op} {step.name}" for step in found.additions]


def base(**fields: object) -> Domain:
    return domain(interfaces=(CARD,), **fields)


def test_nothing_differs_between_a_plan_and_itself() -> None:
    found = change(base(), base())
    assert (found.additions, found.removals, found.taken, found.undo) == ((), (), (), ())
    assert found.boot == found.boot_before


def test_an_interface_is_made_and_addressed() -> None:
    found = change(base(), domain(interfaces=(CARD, SECOND)))
    assert told(found) == [
        "controller: open-ns open the network namespace",
        "controller: link-veth attach eth1 to its bridge",
        "init: address give eth1 the address 10.0.0.2",
        "init: link-up bring eth1 up",
        "init: route route 0.0.0.0/0 through 10.0.0.1",
    ]
    namespace = found.additions[0].args["path"]
    assert namespace == "/proc/\0init\0/ns/net", "of the init that runs, whoever forked it"
    mac = "fe:54:00:00:00:02"
    assert [(one["op"], one["args"]) for one in found.undo] == [
        ("link-delete", {"host": "vnet1", "mac": mac})
    ], "not only put aside: the container lives on"
    assert found.lasting == found.undo
    assert any(step.args.get("guest") == "eth1" for step in found.boot)
    assert not any(step.args.get("guest") == "eth1" for step in found.boot_before)


def test_an_interface_goes_by_its_undo_alone() -> None:
    found = change(domain(interfaces=(CARD, SECOND)), base())
    assert (found.additions, found.removals) == ((), ())
    assert [one["op"] for one in found.taken] == ["link-delete"]


def test_a_folder_is_attached_and_unmounted() -> None:
    idmap = {"idmap": SHIFTED}
    there = base(filesystems=(ROOT, replace(DATA, readonly=True)), **idmap)
    shifted = Source(path="/srv/web1", kind="dir", uid=1000000)
    facts = replace(FACTS, sources=(shifted, Source(path="/srv/data", kind="dir", fstype="ext4")))
    found = change(base(**idmap), there, facts)
    assert [step.op for step in found.additions] == [
        "open-ns", "open-tree", "mount-attr", "lock-tree", "mount-attr", "attach",
    ]  # fmt: skip
    assert found.undo == ()
    assert [step.args for step in found.undo_inside] == [{"target": "/data"}]
    back = change(there, base(**idmap), facts)
    assert [(step.op, step.args) for step in back.removals] == [("detach", {"target": "/data"})]
    assert back.additions == ()


def test_an_image_stays_a_device_and_is_opened_by_later_boots() -> None:
    found = change(base(), base(disks=(DISK,)))
    attach = next(step for step in found.additions if step.op == "loop-attach")
    assert attach.args["stays"], "its maker closes it before anybody else has it open"
    ops = [step.op for step in found.additions]
    assert ops.index("loop-attach") < ops.index("bpf-device"), "whose rule needs its number"
    assert [one["op"] for one in found.lasting] == ["loop-clear"]
    opened = found.boot[0]
    assert (opened.op, opened.boot) == ("loop-open", True)
    assert opened.args["tag"] == attach.args["tag"]


def test_a_device_gets_its_node_and_rule_and_gives_both_back() -> None:
    found = change(base(), base(hostdevs=(TUN,)))
    assert [step.op for step in found.additions] == ["open-guest", "node", "node", "bpf-device"]
    undo = {one["op"]: one["args"] for one in found.undo}
    assert undo["remove-node"]["path"] in ("/dev/net", "/dev/net/tun")
    assert (undo["remove-node"]["pid"], undo["remove-node"]["starttime"]) == INIT
    assert undo["bpf-device"] != found.additions[-1].args, "the program from before"
    back = change(base(hostdevs=(TUN,)), base())
    assert [step.op for step in back.additions] == ["bpf-device"]
    assert [one["args"]["path"] for one in back.taken] == ["/dev/net", "/dev/net/tun"]


def test_a_link_that_goes_down_keeps_what_its_guest_has() -> None:
    is_up = domain(interfaces=(SECOND,))
    is_down = domain(interfaces=(replace(SECOND, link_state="down"),))
    down = change(is_up, is_down)
    assert told(down) == ["controller: link-set attach eth1 to its bridge"]
    assert down.additions[0].args["up"] is False
    assert [one["args"]["up"] for one in down.undo] == [True]
    up = change(is_down, is_up)
    assert [step.op for step in up.additions] == ["link-set", "link-up", "address", "route"]
    assert all(step.args["existing"] for step in up.additions if step.op in ("address", "route"))


def test_a_limit_of_traffic_is_put_in_the_place_of_another_and_lifted() -> None:
    def limited(average: int) -> Domain:
        rate = Bandwidth(inbound=Rate(average=average))
        return domain(interfaces=(replace(CARD, bandwidth=rate),))

    found = change(limited(100), limited(200))
    assert [step.args["inbound"]["average"] for step in found.additions] == [204800]
    assert [one["args"]["inbound"]["average"] for one in found.undo] == [102400]
    lifted = change(limited(100), domain(interfaces=(CARD,)))
    assert [step.args for step in lifted.additions] == [{"link": "vnet0"}]
    first = change(domain(interfaces=(CARD,)), limited(100))
    assert [one["args"] for one in first.undo] == [{"link": "vnet0"}]


def test_what_only_a_start_can_do_is_said() -> None:
    with pytest.raises(AtStartOnly) as raised:
        change(base(), base(memory=131072))
    assert raised.value.step.op == "cgroup-write"


def test_a_controller_of_an_earlier_version_is_told_only_what_it_knows() -> None:
    boot = change(base(idmap=SHIFTED), base(idmap=SHIFTED, filesystems=(ROOT, DATA))).boot
    (fork,) = (step for step in boot if step.op == "fork-stage")
    assert fork.args["owner"] == 1000000
    elder = understood(boot, ["amend"])
    (fork,) = (step for step in elder if step.op == "fork-stage")
    assert "owner" not in fork.args
    assert [step.op for step in boot if step.op not in {one.op for one in elder}] == ["lock-inside"]
    assert understood(boot, FEATURES) == boot


def test_a_hosts_end_that_comes_up_gets_its_addresses_and_routes_again() -> None:
    card = replace(
        CARD,
        type="ethernet",
        source=None,
        host_ips=(Ip(address="10.1.0.1", prefix=24),),
        host_routes=(Route(address="10.2.0.0", prefix=16, gateway="10.1.0.2"),),
    )
    down = replace(card, link_state="down")
    up = change(domain(interfaces=(down,)), domain(interfaces=(card,)))
    host = [step for step in up.additions if step.side == "controller"]
    assert [(step.op, step.args.get("existing")) for step in host if step.op != "open-ns"] == [
        ("link-set", None), ("address", True), ("route", True),
    ]  # fmt: skip
    back = change(domain(interfaces=(card,)), domain(interfaces=(down,)))
    assert [step.op for step in back.additions] == ["link-set"]
