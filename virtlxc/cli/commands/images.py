"""Domains made and removed with their files."""

from __future__ import annotations

from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Command, flag, rows, text, word
from virtlxc.cli.lookup import domain
from virtlxc.cli.params import BOOLEAN, STRING, ULLONG
from virtlxc.cli.units import to_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.cli.grammar import Args
    from virtlxc.cli.params import Param
    from virtlxc.cli.session import Session

MIB, KIB = 1 << 20, 1 << 10


def kibibytes(written: str) -> int:
    """A size such as 512M or 2GiB, in KiB, a bare number being MiB; Failed when it is none."""
    size = to_bytes(written, MIB)
    if not size or size < KIB:
        raise Failed(f"'{written}' is not a size; write for example 512M or 2G")
    return size // KIB


def _new(session: Session, args: Args) -> None:
    name, template = args["name"], args["template"]
    options: list[Param] = [
        (option, STRING, args[option]) for option in ("network", "mac") if option in args
    ]
    if "memory" in args:
        options.append(("memory", ULLONG, kibibytes(args["memory"])))
    for switch in ("no-network", "start"):
        if switch in args:
            options.append((switch, BOOLEAN, 1))
    found = session.own(
        "NEW",
        failed=f"Failed to make domain '{name}'",
        name=name,
        template=template,
        options=options,
    )
    for message in found["messages"]:
        session.remark(f"{message}\n")
    done = "made and started" if "start" in args else "made"
    session.remark(f"Domain '{found['dom'][0]}' {done}\n")
    if "console" in args:
        from virtlxc.cli.terminal import attach

        attach(session, found["dom"])


def _delete(session: Session, args: Args) -> None:
    ref = domain(session, args)
    options: list[Param] = [("force", BOOLEAN, 1)] if "force" in args else []
    found = session.own(
        "DELETE", failed=f"Failed to delete domain '{args['domain']}'", dom=ref, options=options
    )
    for message in found["messages"]:
        session.remark(f"{message}\n")
    session.remark(f"Domain '{ref[0]}' deleted\n")


COMMANDS = rows(
    Command(
        "delete",
        "remove a domain and the files that 'new' made for it",
        word("domain", "name, id or UUID", complete="domains"),
        flag("force", "destroy it first if it runs"),
        run=_delete,
    ),
    Command(
        "new",
        "make a domain: its root file system and its definition",
        word("name", "the name of the new domain"),
        word("template", "what is put into it: busybox", complete="templates"),
        text("network", "the network it is connected to; default if not given", named=True,
             complete="networks"),
        flag("no-network", "it gets no network card"),
        text("mac", "its MAC address", named=True),
        text("memory", "the most memory it may use: 512M, 2G", named=True),
        flag("start", "start it"),
        flag("console", "and connect to its console"),
        run=_new,
        needs=(("console", "start"),),
    ),
)  # fmt: skip
