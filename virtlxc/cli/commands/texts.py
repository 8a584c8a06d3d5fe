"""What people write about a domain, and its definition in an editor."""

from __future__ import annotations

from virtlxc.cli.domains import (
    AFFECT,
    DOMAIN,
    EXCLUDES,
    INACTIVE_XML,
    OF_CONFIG,
    OF_CURRENT,
    OF_LIVE,
    SECURE_XML,
)
from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Command, flag, rest, rows, text, word
from virtlxc.cli.lookup import domain
from virtlxc.errors import Code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Ref, Session

DESCRIPTION, TITLE, ELEMENT = 0, 1, 2
VALIDATE = 1


def _desc(session: Session, args: Args) -> None:
    flags = args.bits(AFFECT)
    ref = domain(session, args)
    kind, what = (TITLE, "title") if "title" in args else (DESCRIPTION, "description")
    # What is asked for and what is changed are told by different flags in virsh too.
    old = _metadata(session, ref, kind, 2 if "config" in args else 0)
    given = " ".join(args.rest)
    if "edit" not in args and not given:
        if old:
            session.say(old)
        else:
            session.remark(f"No {what} for domain: {ref[0]}")
        return
    new = given
    if "edit" in args:
        from virtlxc.cli.editing import edit

        new = edit(given or old, ".txt")
        if kind == TITLE:
            new = new.removesuffix("\n")
        if new == old:
            session.remark(f"Domain {what} not changed\n")
            return
    session.call(
        "DOMAIN_SET_METADATA",
        failed=f"Failed to set new domain {what}",
        dom=ref,
        type=kind,
        metadata=new,
        flags=flags,
    )
    session.remark(f"Domain {what} updated successfully")


def _metadata(session: Session, ref: Ref, kind: int, flags: int) -> str:
    try:
        text: str = session.call("DOMAIN_GET_METADATA", dom=ref, type=kind, flags=flags)["metadata"]
    except Failed as failed:
        if failed.code == Code.NO_DOMAIN_METADATA:
            return ""
        raise
    return text


def _change_metadata(session: Session, args: Args) -> None:
    flags = args.bits(AFFECT)
    ref = domain(session, args)
    uri, key, new = args["uri"], args.get("key"), args.get("set")
    if (new is not None or "edit" in args) and key is None:
        raise Failed("namespace key is required when modifying metadata")

    def take(element: str | None, _relaxed: bool = False) -> None:
        session.call(
            "DOMAIN_SET_METADATA", dom=ref, type=ELEMENT, metadata=element, key=key, uri=uri,
            flags=flags,
        )  # fmt: skip

    def get() -> str:
        found: str = session.call(
            "DOMAIN_GET_METADATA", dom=ref, type=ELEMENT, uri=uri, flags=flags
        )["metadata"]
        return found

    def get_or_nothing() -> str:
        try:
            return get()
        except Failed as failed:
            if failed.code == Code.NO_DOMAIN_METADATA:
                return "\n"
            raise

    if "remove" in args or new is not None:
        take(new)
        session.remark("Metadata removed\n" if "remove" in args else "Metadata modified\n")
    elif "edit" in args:
        from virtlxc.cli.editing import edit_until_taken

        changed = edit_until_taken(session, get_or_nothing, take)
        session.remark("Metadata modified\n" if changed else "Metadata not changed")
    else:
        session.say(f"{get()}\n")


def _edit(session: Session, args: Args) -> None:
    from virtlxc.cli.commands.definition import define
    from virtlxc.cli.editing import edit_until_taken

    ref = domain(session, args)
    found = [ref[0]]

    def get() -> str:
        xml: str = session.call("DOMAIN_GET_XML_DESC", dom=ref, flags=SECURE_XML | INACTIVE_XML)[
            "xml"
        ]
        return xml

    def take(xml: str, relaxed: bool) -> None:
        checks = 0 if relaxed or "skip-validate" in args else VALIDATE
        found[0], warnings = define(session, xml, checks, "Failed.")
        session.warn(*warnings)

    if edit_until_taken(session, get, take, can_relax="skip-validate" not in args):
        session.remark(f"Domain '{found[0]}' XML configuration edited.\n")
    else:
        session.remark(f"Domain '{ref[0]}' XML configuration not changed.\n")


COMMANDS = rows(
    Command(
        "desc",
        "show or change a domain's description or title",
        DOMAIN,
        OF_LIVE,
        OF_CONFIG,
        OF_CURRENT,
        flag("title", "the title, not the description"),
        flag("edit", "in an editor"),
        rest("new-desc", "the new text"),
        run=_desc,
        excludes=EXCLUDES,
    ),
    Command(
        "edit",
        "change a domain's definition in an editor",
        DOMAIN,
        flag("skip-validate", "do not check it against the schema"),
        run=_edit,
    ),
    Command(
        "metadata",
        "show or change a domain's metadata of another program",
        DOMAIN,
        word("uri", "the namespace's URI"),
        OF_LIVE,
        OF_CONFIG,
        OF_CURRENT,
        flag("edit", "in an editor"),
        text("key", "the namespace's prefix"),
        text("set", "the new element"),
        flag("remove", "remove it"),
        run=_change_metadata,
        excludes=(*EXCLUDES, ("edit", "set"), ("remove", "set"), ("remove", "edit")),
    ),
)
