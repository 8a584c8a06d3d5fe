"""list: the command that is called most, so its file holds nothing else."""

from __future__ import annotations

from virtlxc.cli.commands import states
from virtlxc.cli.grammar import Command, flag, rows
from virtlxc.cli.lookup import uuid_text
from virtlxc.cli.table import table
from virtlxc.errors import Code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Ref, Session

ACTIVE, INACTIVE = 1, 2
# Option, bit of libvirt's virConnectListAllDomainsFlags.
FILTERS = (
    ("persistent", 1 << 2), ("transient", 1 << 3),
    ("state-running", 1 << 4), ("state-paused", 1 << 5),
    ("state-shutoff", 1 << 6), ("state-other", 1 << 7),
    ("with-managed-save", 1 << 8), ("without-managed-save", 1 << 9),
    ("autostart", 1 << 10), ("no-autostart", 1 << 11),
    ("with-snapshot", 1 << 12), ("without-snapshot", 1 << 13),
    ("with-checkpoint", 1 << 14), ("without-checkpoint", 1 << 15),
)  # fmt: skip
SHUTOFF = 5
STATE_STATISTICS = 1
TITLE = 1


def _read(session: Session, args: Args) -> list[dict[str, Any]]:
    """The domains, running ones first by id, then the others by name."""
    flags = args.bits(FILTERS)
    if "all" in args:
        flags |= ACTIVE | INACTIVE
    else:
        flags |= INACTIVE if "inactive" in args or "state-shutoff" in args else ACTIVE
    found = session.call(
        "CONNECT_LIST_ALL_DOMAINS", failed="Failed to list domains", need_results=1, flags=flags
    )
    refs = sorted(found["domains"], key=_order)
    wanted = _columns(args)
    domains: list[dict[str, Any]] = []
    numbers = {} if wanted else _states(session, refs)
    for ref in refs:
        name, uuid, number = ref
        one: dict[str, Any] = {
            "id": number if number >= 0 else None, "name": name, "uuid": uuid_text(uuid),
        }  # fmt: skip
        if not wanted:
            if ref not in numbers:
                continue  # gone in the meantime
            one["state"] = states.state(numbers[ref])
            if "managed-save" in args and numbers[ref] == SHUTOFF and _is_saved(session, ref):
                one["state"] = "saved"
        if "title" in args and not wanted:
            one["title"] = title_of(session, ref)
        domains.append(one)
    return domains


def _columns(args: Args) -> list[str]:
    """What is asked for instead of a table."""
    return [name for name in ("uuid", "id", "name") if name in args]


def _order(ref: Ref) -> tuple[bool, int, str]:
    name, _uuid, number = ref
    return (number < 0, number, name.lower() if number < 0 else "")


def _states(session: Session, refs: list[Ref]) -> dict[Ref, int]:
    """Each domain's state: all in one call where the daemon can."""
    if not refs:
        return {}
    bulk = session.supported("CONNECT_GET_ALL_DOMAIN_STATS", doms=refs, stats=STATE_STATISTICS)
    if bulk is not None:
        by_uuid = {ref[1]: ref for ref in refs}
        return {
            by_uuid[record[0][1]]: value
            for record in bulk["retStats"]
            for field, _type, value in record[1]
            if field == "state.state" and record[0][1] in by_uuid
        }
    found = {}
    for ref in refs:
        state = session.supported("DOMAIN_GET_STATE", dom=ref)
        if state is not None:
            found[ref] = state["state"]
    return found


def _is_saved(session: Session, ref: Ref) -> bool:
    return bool(session.call("DOMAIN_HAS_MANAGED_SAVE_IMAGE", dom=ref)["result"])


def title_of(session: Session, ref: Ref) -> str:
    """The domain's title, "" when it has none."""
    from virtlxc.cli.failures import Failed

    try:
        found = session.call("DOMAIN_GET_METADATA", dom=ref, type=TITLE)
    except Failed as failed:
        if failed.code == Code.NO_DOMAIN_METADATA:
            return ""
        raise
    text: str = found["metadata"]
    return text


def _show(domains: list[dict[str, Any]], args: Args, quiet: bool) -> str:
    wanted = _columns(args)
    if wanted:
        return "".join(_words(one, wanted) for one in domains)
    header = ["Id", "Name", "State"]
    cells = [[_id(one), one["name"], one["state"]] for one in domains]
    if "title" in args:
        header.append("Title")
        for row, one in zip(cells, domains, strict=True):
            row.append(one["title"])
    return table(header, cells, quiet=quiet)


def _id(one: dict[str, Any]) -> str:
    return "-" if one["id"] is None else str(one["id"])


def _words(one: dict[str, Any], wanted: list[str]) -> str:
    if wanted == ["id"] and one["id"] is None:
        return ""
    return " ".join(_id(one) if name == "id" else one[name] for name in wanted) + "\n"


COMMANDS = rows(
    Command(
        "list",
        "domains, running ones if nothing else is asked for",
        flag("inactive", "those that do not run"),
        flag("all", "those that run and those that do not"),
        flag("transient", "those without a definition on disk"),
        flag("persistent", "those with a definition on disk"),
        flag("with-snapshot", "those with a snapshot"),
        flag("without-snapshot", "those without a snapshot"),
        flag("with-checkpoint", "those with a checkpoint"),
        flag("without-checkpoint", "those without a checkpoint"),
        flag("state-running", "those that are running"),
        flag("state-paused", "those that are paused"),
        flag("state-shutoff", "those that are shut off"),
        flag("state-other", "those in any other state"),
        flag("autostart", "those that start with the daemon"),
        flag("no-autostart", "those that do not start with the daemon"),
        flag("with-managed-save", "those with a saved state"),
        flag("without-managed-save", "those without a saved state"),
        flag("uuid", "print UUIDs only"),
        flag("name", "print names only"),
        flag("id", "print ids only"),
        flag("table", "print a table; the default"),
        flag("managed-save", "call those with a saved state 'saved'"),
        flag("title", "add their titles"),
        read=_read,
        show=_show,
        excludes=(("table", "name"), ("table", "uuid"), ("table", "id")),
    )
)
