"""The host's devices."""

from __future__ import annotations

from virtlxc.cli import named, shown
from virtlxc.cli.failures import Failed
from virtlxc.cli.files import read_text
from virtlxc.cli.grammar import Command, alias, flag, rows, text, word
from virtlxc.cli.table import fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from virtlxc.cli.grammar import Args, Run
    from virtlxc.cli.session import Session

DEVICE = word("device", "name, or 'WWNN,WWPN'", complete="node-devices")
# By the bits of libvirt's virConnectListAllNodeDeviceFlags.
CAPABILITIES = (
    "system", "pci", "usb_device", "usb", "net", "scsi_host", "scsi_target", "scsi", "storage",
    "fc_host", "vports", "scsi_generic", "drm", "mdev_types", "mdev", "ccw", "css", "vdpa",
    "ap_card", "ap_queue", "ap_matrix", "vpd",
)  # fmt: skip
INACTIVE, ACTIVE = 1 << 30, 1 << 31
VALIDATE = 1
COMPUTER = "computer"


def find(session: Session, given: str, *, by_wwn: bool = True) -> str:
    """The name of the device that somebody names."""
    wwnn, comma, wwpn = given.partition(",")
    if comma and "," in wwpn:
        raise Failed(f"Malformed device value '{given}'")
    failed = f"Could not find matching device '{given}'"
    if comma and by_wwn:
        found = session.call(
            "NODE_DEVICE_LOOKUP_SCSI_HOST_BY_WWN", failed=failed, wwnn=wwnn, wwpn=wwpn
        )
    else:
        found = session.call("NODE_DEVICE_LOOKUP_BY_NAME", failed=failed, name=given)
    name: str = found["dev"][0]
    return name


class _Kind(named.Kind):
    """Devices have a name only."""

    def find(self, session: Session, args: Args) -> Any:
        return (find(session, args["device"], by_wwn=False),)


KIND = _Kind(
    "nodedev", "device", title="node device", call="NODE_DEVICE", calls="NODE_DEVICES",
    field="dev", fields="devices", events=("lifecycle", "update"),
    lifecycle=("Created", "Deleted", "Defined", "Undefined"),
)  # fmt: skip


def _list(session: Session, args: Args) -> list[dict[str, Any]]:
    wanted = args.get("cap")
    if "all" in args and "inactive" in args:
        raise Failed("Option --all is incompatible with --inactive")
    if "tree" in args and (wanted or "inactive" in args):
        raise Failed("Option --tree is incompatible with --cap and --inactive")
    flags = 0
    for capability in wanted.split(",") if wanted else ():
        if capability not in CAPABILITIES:
            raise Failed("Invalid capability type")
        flags |= 1 << CAPABILITIES.index(capability)
    flags |= INACTIVE if "inactive" in args or "all" in args else 0
    flags |= 0 if "inactive" in args else ACTIVE
    found = session.call(
        "CONNECT_LIST_ALL_NODE_DEVICES",
        failed="Failed to list node devices",
        need_results=1,
        flags=flags,
    )
    names = sorted((name for (name,) in found["devices"]), key=str.lower)
    return [
        {"name": name, "parent": _parent(session, name)} if "tree" in args else {"name": name}
        for name in names
    ]


def _parent(session: Session, name: str) -> str | None:
    if name == COMPUTER:
        return None
    parent: str | None = session.call("NODE_DEVICE_GET_PARENT", name=name)["parentName"]
    return parent


def _show_list(found: list[dict[str, Any]], args: Args, quiet: bool) -> str:
    if "tree" not in args:
        return "".join(f"{one['name']}\n" for one in found)
    below: dict[str, list[str]] = {}
    for one in found:
        if one["parent"] is not None:
            below.setdefault(one["parent"], []).append(one["name"])
    roots = [one["name"] for one in found if one["parent"] is None]
    return "".join(
        f"{line}\n" for root in roots for line in (root, *_branches(root, below, "  "))
    ) + ("\n" * (not below) if roots else "")


def _branches(name: str, below: dict[str, list[str]], indent: str) -> list[str]:
    """The lines below a device; a blank one ends each branch that has no more."""
    names = below.get(name, [])
    lines = [f"{indent}|"] if names else []
    for at, one in enumerate(names):
        last = at == len(names) - 1
        inner = f"{indent}{' ' if last else '|'}   "
        lines.append(f"{indent}+- {one}")
        lines += _branches(one, below, inner)
        if last and one not in below:
            lines.append(f"{indent}  ")
    return lines


def _info(session: Session, args: Args) -> dict[str, Any]:
    name = find(session, args["device"])
    return {
        "name": name,
        "parent": _parent(session, name),
        "active": bool(session.call("NODE_DEVICE_IS_ACTIVE", name=name)["active"]),
        "persistent": bool(session.call("NODE_DEVICE_IS_PERSISTENT", name=name)["persistent"]),
        "autostart": bool(session.call("NODE_DEVICE_GET_AUTOSTART", name=name)["autostart"]),
    }


def _show_info(data: dict[str, Any], args: Args, quiet: bool) -> str:
    return fields([
        ("Name:", data["name"]),
        ("Parent:", data["parent"] or ""),
        ("Active:", named.yes(data["active"])),
        ("Persistent:", named.yes(data["persistent"])),
        ("Autostart:", named.yes(data["autostart"])),
    ])  # fmt: skip


def _dumpxml(session: Session, args: Args) -> str:
    name = find(session, args["device"])
    xml: str = session.call("NODE_DEVICE_GET_XML_DESC", name=name, flags=0)["xml"]
    return xml


# What changes devices: another daemon may be able to, ours says that it is not.


def _change(
    call: str, failed: str, done: str, *, by_wwn: bool = True, flags: bool = True
) -> Run:
    """A call about one device; ``{}`` in the sentences stands for it as it was given."""

    def run(session: Session, args: Args) -> None:
        given = args["device"]
        name = find(session, given, by_wwn=by_wwn)
        more: dict[str, Any] = {"flags": 0} if flags else {}
        session.call(call, failed=failed.format(given), name=name, **more)
        session.remark(done.format(given) + "\n")

    return run


def _from_file(call: str, verb: str, quote: str) -> Run:
    def run(session: Session, args: Args) -> None:
        path = args["file"]
        made = session.call(
            call,
            failed=f"Failed to {verb} node device from {quote}{path}{quote}",
            xml_desc=read_text(path),
            flags=VALIDATE if "validate" in args else 0,
        )["dev"][0]
        session.remark(f"Node device {quote}{made}{quote} {verb}d from {quote}{path}{quote}\n")

    return run


def _detach(session: Session, args: Args) -> None:
    given, driver = args["device"], args.get("driver")
    name = find(session, given, by_wwn=False)
    failed = f"Failed to detach device {given}"
    if driver is None:
        session.call("NODE_DEVICE_DETTACH", failed=failed, name=name)
    else:
        session.call(
            "NODE_DEVICE_DETACH_FLAGS", failed=failed, name=name, driverName=driver, flags=0
        )
    session.remark(f"Device {given} detached\n")


def _autostart(session: Session, args: Args) -> None:
    given = args["device"]
    name = find(session, given)
    mark = "unmark" if "disable" in args else "mark"
    session.call(
        "NODE_DEVICE_SET_AUTOSTART",
        failed=f"failed to {mark} device {given} as autostarted",
        name=name,
        autostart=int("disable" not in args),
    )
    session.remark(f"Device {given} {mark}ed as autostarted\n")


FILE = word("file", "the device's XML", complete="files")

COMMANDS = rows(
    Command(
        "nodedev-list",
        "the host's devices",
        flag("tree", "each below what it is on"),
        text("cap", "those with one of these capabilities: pci,net,..."),
        flag("inactive", "those that are not there"),
        flag("all", "those that are there and those that are not"),
        read=_list,
        show=_show_list,
    ),
    Command(
        "nodedev-dumpxml", "a device as XML", DEVICE, *shown.XPATH, read=_dumpxml, show=shown.xml
    ),
    Command("nodedev-info", "what a device is", DEVICE, read=_info, show=_show_info),
    named.event_command(
        KIND, text("device", "only to this one: name", complete="node-devices")
    ),
    Command(
        "nodedev-autostart",
        "have a device made when the host starts; only other daemons can",
        DEVICE,
        flag("disable", "do not have it made any more"),
        run=_autostart,
    ),
    Command(
        "nodedev-create",
        "make a device from an XML file; only other daemons can",
        FILE,
        named.VALIDATE,
        run=_from_file("NODE_DEVICE_CREATE_XML", "create", ""),
    ),
    Command(
        "nodedev-define",
        "define a device from an XML file; only other daemons can",
        FILE,
        named.VALIDATE,
        run=_from_file("NODE_DEVICE_DEFINE_XML", "define", "'"),
    ),
    Command(
        "nodedev-destroy",
        "remove a device that was made; only other daemons can",
        alias("name", "device"),
        DEVICE,
        run=_change(
            "NODE_DEVICE_DESTROY",
            "Failed to destroy node device '{}'",
            "Destroyed node device '{}'",
            flags=False,
        ),
    ),
    Command(
        "nodedev-detach",
        "take a device from its driver; only other daemons can",
        DEVICE,
        text("driver", "who gets it: vfio"),
        run=_detach,
    ),
    Command(
        "nodedev-reattach",
        "give a device back to its driver; only other daemons can",
        DEVICE,
        run=_change(
            "NODE_DEVICE_RE_ATTACH", "Failed to re-attach device {}", "Device {} re-attached",
            by_wwn=False, flags=False,
        ),
    ),
    Command(
        "nodedev-reset",
        "reset a device; only other daemons can",
        DEVICE,
        run=_change(
            "NODE_DEVICE_RESET", "Failed to reset device {}", "Device {} reset",
            by_wwn=False, flags=False,
        ),
    ),
    Command(
        "nodedev-start",
        "make a device that is defined; only other daemons can",
        DEVICE,
        run=_change(
            "NODE_DEVICE_CREATE", "Failed to start device {}", "Device {} started", by_wwn=False
        ),
    ),
    Command(
        "nodedev-undefine",
        "remove a device's definition; only other daemons can",
        DEVICE,
        run=_change(
            "NODE_DEVICE_UNDEFINE",
            "Failed to undefine node device '{}'",
            "Undefined node device '{}'",
        ),
    ),
)  # fmt: skip
