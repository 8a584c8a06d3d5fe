"""What can be known before a start: plans, validity, and whether the host can."""

from __future__ import annotations

import os

from virtlxc.cli import shown
from virtlxc.cli.domains import INACTIVE_XML
from virtlxc.cli.failures import Failed
from virtlxc.cli.files import read_text
from virtlxc.cli.grammar import Command, rest, rows, text, word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Session



def _plan(session: Session, args: Args) -> str:
    from virtlxc.cli.planning import plan_text

    what = args["domain"]
    if what == "-" or "/" in what or _holds_xml(what):
        xml = read_text(what)
    else:
        xml = _definition(session, what)
    ignore = (args.get("ignore") or "").split(",")
    return plan_text(session.paths, xml, args.get("facts"), frozenset(filter(None, ignore)))


def _holds_xml(path: str) -> bool:
    """Whether it is a file that a plan can be of; a folder may have another file of that name."""
    return os.path.isfile(path) and read_text(path).lstrip().startswith("<")


def _definition(session: Session, name: str) -> str:
    """The XML of a defined domain: from its file where we may read it, else from the daemon."""
    try:
        with open(session.paths.domain_xml(name), encoding="utf-8") as file:
            return file.read()
    except OSError:
        pass
    from virtlxc.cli.lookup import find_domain

    if os.geteuid() != 0:
        session.readonly = True  # which everybody may
    try:
        ref = find_domain(session, name)
        xml: str = session.call("DOMAIN_GET_XML_DESC", dom=ref, flags=INACTIVE_XML)["xml"]
    except Failed as failed:
        raise Failed(f"there is no file and no domain '{name}'", *failed.lines[1:]) from None
    return xml


def _validate(session: Session, args: Args) -> None:
    from virtlxc.cli.validation import problems

    bad = 0
    for path in args.rest:
        found = problems(path, read_text(path))
        if found:
            bad += 1
            session.complain(*found)
        else:
            session.remark(f"{path} is valid\n")
    if bad:
        raise Failed(f"{bad} of {len(args.rest)} files cannot be used as they are")


def _host_validate(session: Session, args: Args) -> list[dict[str, Any]]:
    from virtlxc.cli.validation import host_rows

    return host_rows(session)


def _show_host(found: list[dict[str, Any]], args: Args, quiet: bool) -> str:
    lines = []
    for fact in found:
        mark = fact["status"]
        lines.append(f"{fact['name']:<40} : {mark:<4} {fact['text']}".rstrip() + "\n")
        if fact["mend"]:
            lines.append(f"{'':<40}   mend: {fact['mend']}\n")
    return "".join(lines)


COMMANDS = rows(
    Command(
        "host-validate",
        "what this host can, and the mend for what it cannot",
        read=_host_validate,
        show=_show_host,
        connects=False,
    ),
    Command(
        "plan",
        "every step that a start would take; needs no root and no daemon",
        word("domain", "a file with domain XML, or a name", complete="domains"),
        text("facts", "a file with what is known of the host", named=True),
        text("ignore", "plan although these elements are not acted on: NAME,NAME,...", named=True),
        read=_plan,
        show=shown.as_it_is,
        connects=False,
    ),
    Command(
        "validate",
        "check XML files against the schema and the rules; needs no root and no daemon",
        rest("file", "files with domain or network XML", required=True, complete="files"),
        run=_validate,
        connects=False,
    ),
)
