"""Lists of what containers never have: empty here, and true of other daemons."""

from __future__ import annotations

from virtlxc.cli.domains import ACTIVE, DOMAIN
from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Command, flag, rows, text
from virtlxc.cli.lookup import domain, uuid_text
from virtlxc.cli.table import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Session

# Option, bit of libvirt's virConnectListAllSecretsFlags.
SECRETS = (("ephemeral", 1), ("no-ephemeral", 2), ("private", 4), ("no-private", 8))
USAGES = ("none", "volume", "ceph", "iscsi", "tls", "vtpm")
DISK_ERRORS = {1: "unspecified error", 2: "no space"}
ERRORS_MAX = 256
DISPLAYS = ("vnc", "spice", "rdp", "dbus")


def _secrets(session: Session, args: Args) -> list[dict[str, Any]]:
    found = session.call(
        "CONNECT_LIST_ALL_SECRETS",
        failed="Failed to list node secrets",
        need_results=1,
        flags=args.bits(SECRETS),
    )["secrets"]
    return [
        {"uuid": uuid_text(uuid), "usage": f"{USAGES[kind]} {used}" if kind else "Unused"}
        for uuid, kind, used in found
    ]


def _show_secrets(found: list[dict[str, Any]], args: Args, quiet: bool) -> str:
    return table(("UUID", "Usage"), [[one["uuid"], one["usage"]] for one in found], quiet=quiet)


def _filters(session: Session, args: Args) -> list[dict[str, Any]]:
    found = session.call(
        "CONNECT_LIST_ALL_NWFILTERS", failed="Failed to list network filters", need_results=1
    )["filters"]
    return [{"uuid": uuid_text(uuid), "name": name} for name, uuid in sorted(found)]


def _show_filters(found: list[dict[str, Any]], args: Args, quiet: bool) -> str:
    return table(("UUID", "Name"), [[one["uuid"], one["name"]] for one in found], quiet=quiet)


def _bindings(session: Session, args: Args) -> list[dict[str, Any]]:
    found = session.call(
        "CONNECT_LIST_ALL_NWFILTER_BINDINGS",
        failed="Failed to list network filter bindings",
        need_results=1,
    )["bindings"]
    return [{"port": port, "filter": name} for port, name in sorted(found)]


def _show_bindings(found: list[dict[str, Any]], args: Args, quiet: bool) -> str:
    cells = [[one["port"], one["filter"]] for one in found]
    return table(("Port Dev", "Filter"), cells, quiet=quiet)


def _disk_errors(session: Session, args: Args) -> dict[str, str]:
    ref = domain(session, args)
    found = session.call("DOMAIN_GET_DISK_ERRORS", dom=ref, maxerrors=ERRORS_MAX)["errors"]
    return {disk: DISK_ERRORS.get(error, "unknown error") for disk, error in found}


def _show_disk_errors(found: dict[str, str], args: Args, quiet: bool) -> str:
    return "".join(f"{disk}: {text}\n" for disk, text in found.items()) or "No errors found\n"


def _display(session: Session, args: Args) -> str:
    """A container has no display: what is there is another daemon's, and virsh's to show."""
    from virtlxc.cli.xml import parse

    ref = domain(session, args)
    if ref[2] < 0:
        raise Failed("Domain is not running")
    wanted = args.get("type")
    xml = session.call("DOMAIN_GET_XML_DESC", dom=ref, flags=0)["xml"]
    for one in parse(xml).iterfind("devices/graphics"):
        kind, port = one.get("type"), one.get("port")
        if kind in DISPLAYS and wanted in (None, kind) and port:
            return f"{kind}://{one.get('listen') or 'localhost'}:{port}"
    more = f" with type '{wanted}'" if wanted else ""
    raise Failed(f"No graphical display{more} found")


def _show_display(uri: str, args: Args, quiet: bool) -> str:
    return uri


COMMANDS = rows(
    Command(
        "domblkerror",
        "the errors of a domain's disks",
        DOMAIN,
        read=_disk_errors,
        show=_show_disk_errors,
    ),
    Command(
        "domdisplay",
        "where a domain's display is; a container has none",
        ACTIVE,
        flag("include-password", "as virsh; without effect here"),
        text("type", "of this type: vnc, spice, ..."),
        flag("all", "all of them"),
        read=_display,
        show=_show_display,
        excludes=(("all", "type"),),
    ),
    Command(
        "nwfilter-list",
        "the host's network filters; none here",
        read=_filters,
        show=_show_filters,
    ),
    Command(
        "nwfilter-binding-list",
        "which interface has which network filter; none here",
        read=_bindings,
        show=_show_bindings,
    ),
    Command(
        "secret-list",
        "secrets for disks on networks; none here",
        flag("ephemeral", "those that are gone with the daemon"),
        flag("no-ephemeral", "those that are kept"),
        flag("private", "those whose value is told nobody"),
        flag("no-private", "those whose value may be read"),
        read=_secrets,
        show=_show_secrets,
    ),
)
