"""Inventories: many definitions, moved in, checked, and kept as files say."""

from __future__ import annotations

from virtlxc.cli.failures import Exit, Failed
from virtlxc.cli.grammar import Command, alias, flag, rest, rows, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from virtlxc.cli.grammar import Args, Opt
    from virtlxc.cli.session import Session

PATHS = "XML files, and folders of them"


def _check(session: Session, args: Args) -> None:
    from virtlxc.cli.checking import check
    from virtlxc.inventory import verdict

    found = check(session.paths, args.rest)
    text = verdict.report(found.verdicts) + f"\nthe host's facts: {found.facts}\n"
    data = verdict.plain(found.verdicts, found.facts)
    data["left"] = [{"file": file, "what": what} for file, what in found.left]
    _print(session, text + _left(found.left), data)
    if any(one.weight == verdict.CANNOT for one in found.verdicts):
        raise Exit(1)


def _left(files: tuple[tuple[str, str], ...]) -> str:
    if not files:
        return ""
    lines = [f"  {file}: {what}" for file, what in files]
    return "".join(f"{line}\n" for line in ["", "left out:", *lines])


def _print(session: Session, text: str, data: Any) -> None:
    if session.options.output == "text":
        session.say(text)
        return
    from virtlxc.cli.output import render

    session.say(render(data, session.options.output))


def _diff(session: Session, args: Args) -> None:
    from virtlxc.cli.applying import compare
    from virtlxc.inventory import changes

    found = compare(session, args.rest)
    drifted = [one for one in found if one.alters or one.conflict]
    text = "".join(changes.shown(one) for one in drifted) + f"{changes.summary(found)}\n"
    _print(session, text, [changes.plain(one) for one in drifted])
    if drifted:
        raise Exit(1)


def _apply(session: Session, args: Args) -> None:
    from virtlxc.cli.applying import Wish, apply

    apply(
        session,
        args.rest,
        Wish(
            dry_run="dry-run" in args,
            start="start" in args,
            prune="prune" in args,
            keep_going="keep-going" in args,
        ),
    )


def _import(session: Session, args: Args) -> None:
    from virtlxc.cli.importing import bring_in, undo

    uri = args.get("connect")
    if uri is not None:
        from virtlxc.cli.exchanging import bring_from

        bring_from(session, uri, args.rest, dry_run="dry-run" in args)
    elif args.rest:
        raise Failed("names are those of definitions at a URI (virtlxc import -c URI NAME...)")
    elif "undo" in args:
        undo(session, dry_run="dry-run" in args)
    else:
        bring_in(session, args.get("from") or "/etc/libvirt", dry_run="dry-run" in args)


def _export(session: Session, args: Args) -> None:
    from virtlxc.cli.exchanging import send_to

    uri = args.get("connect")
    if uri is None:
        raise Failed("where to is missing (virtlxc export -c URI [NAME...])")
    send_to(session, uri, args.rest, dry_run="dry-run" in args)


def _at(what: str) -> tuple[Opt, Opt]:
    """-c URI and --connect URI."""
    return alias("c", "connect"), text("connect", what, named=True)


COMMANDS = rows(
    Command(
        "apply",
        "make domains, networks and pools what files say",
        flag("dry-run", "only show what would change"),
        flag("start", "start what is marked for autostart and does not run"),
        flag("prune", "remove what apply brought in from these paths and is gone from them"),
        flag("keep-going", "do what can be done, and fail at the end"),
        rest("path", PATHS, required=True, complete="files"),
        run=_apply,
        connects=False,
    ),
    Command(
        "check",
        "which definitions run on this host, and what changes; needs no root and no daemon",
        rest("path", PATHS, required=True, complete="files"),
        run=_check,
        connects=False,
    ),
    Command(
        "diff",
        "how domains, networks and pools differ from what files say; exit status 1 when they do",
        rest("path", PATHS, required=True, complete="files"),
        run=_diff,
        connects=False,
    ),
    Command(
        "export",
        "define at another daemon what is defined here; says what has no effect there",
        *_at("the other daemon, such as lxc:///system for libvirt's own driver"),
        flag("dry-run", "only show what would change"),
        rest("name", "of domains, networks and pools; all of them if none", complete="domains"),
        run=_export,
    ),
    Command(
        "import",
        "take over the definitions of libvirt's LXC driver; libvirt need not be there",
        text("from", "libvirt's folder, /etc/libvirt by default", named=True, complete="files"),
        *_at("from this daemon instead, such as lxc:///system for libvirt's own driver"),
        flag("dry-run", "only show what would change"),
        flag("undo", "remove what import brought in, and nothing else"),
        rest("name", "of domains, networks and pools at --connect; all of them if none"),
        run=_import,
        connects=False,
        excludes=(("from", "undo"), ("connect", "from"), ("connect", "undo")),
    ),
)
