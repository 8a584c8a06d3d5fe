"""Storage pools made from options."""

from __future__ import annotations

from virtlxc.cli import shown
from virtlxc.cli.commands.pools import BUILD_EXCLUDES, BUILD_OPTIONS, BUILDS
from virtlxc.cli.failures import Failed
from virtlxc.cli.files import read_text
from virtlxc.cli.grammar import Command, flag, rows, text, word
from virtlxc.markup import document, tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Session

# Options that only kinds of pools have that are no folders.
ELSEWHERE = (
    "source-host", "source-path", "source-dev", "source-name", "source-format", "auth-type",
    "auth-username", "secret-usage", "secret-uuid", "adapter-name", "adapter-wwnn", "adapter-wwpn",
    "adapter-parent", "adapter-parent-wwnn", "adapter-parent-wwpn", "adapter-parent-fabric-wwn",
    "source-protocol-ver", "source-initiator",
)  # fmt: skip


def _document(args: Args) -> str:
    for name in ELSEWHERE:
        if name in args:
            raise Failed(f"--{name} is for pools that are no folder, which there are none of")
    inner = tag("name", args["name"])
    if (target := args.get("target")) is not None:
        inner += tag("target", tag("path", target))
    return document(tag("pool", inner, type=args["type"]))


def _define_as(session: Session, args: Args) -> None:
    _make_as(session, args, "define", 0)


def _create_as(session: Session, args: Args) -> None:
    _make_as(session, args, "create", args.bits(BUILDS))


def _make_as(session: Session, args: Args, verb: str, flags: int) -> None:
    xml = _document(args)
    if "print-xml" in args:
        session.say(xml)
        return
    name = args["name"]
    session.call(
        f"STORAGE_POOL_{verb.upper()}_XML",
        failed=f"Failed to {verb} pool {name}",
        xml=xml,
        flags=flags,
    )
    session.remark(f"Pool {name} {verb}d\n")


def _sources(session: Session, args: Args) -> str:
    path = args.get("srcSpec")
    return _find_sources(session, args["type"], None if path is None else read_text(path))


def _sources_as(session: Session, args: Args) -> str:
    host, port, initiator = args.get("host"), args.get("port"), args.get("initiator")
    if host is None:
        return _find_sources(session, args["type"], None)
    inner = tag("host", name=host, port=port or None)
    if initiator:
        inner += tag("initiator", tag("iqn", name=initiator))
    return _find_sources(session, args["type"], document(tag("source", inner)))


def _find_sources(session: Session, kind: str, source: str | None) -> str:
    xml: str = session.call(
        "CONNECT_FIND_STORAGE_POOL_SOURCES",
        failed=f"Failed to find any {kind} pool sources",
        type=kind,
        srcSpec=source,
    )["xml"]
    return xml


AS_OPTIONS = (
    word("name", "the pool's name"),
    word("type", "the kind of pool: dir"),
    flag("print-xml", "print the XML, and make nothing"),
    *(text(name, "for pools that are no folder") for name in ELSEWHERE[:4]),
    text("target", "the folder", complete="files"),
    *(text(name, "for pools that are no folder") for name in ELSEWHERE[4:]),
)

COMMANDS = rows(
    Command(
        "find-storage-pool-sources",
        "what pools of a type could be made of; folders are not looked for",
        word("type", "the kind of pool"),
        text("srcSpec", "a file with the XML of where to look", complete="files"),
        read=_sources,
        show=shown.as_it_is,
    ),
    Command(
        "find-storage-pool-sources-as",
        "the same, with options in place of XML",
        word("type", "the kind of pool"),
        text("host", "the host to ask"),
        text("port", "its port"),
        text("initiator", "the name to ask by"),
        read=_sources_as,
        show=shown.as_it_is,
    ),
    Command(
        "pool-create-as",
        "start a pool that has no definition on disk",
        *AS_OPTIONS,
        *BUILD_OPTIONS,
        run=_create_as,
        excludes=BUILD_EXCLUDES,
    ),
    Command("pool-define-as", "define a pool", *AS_OPTIONS, run=_define_as),
)
