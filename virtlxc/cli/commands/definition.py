"""Definitions: what a domain is, as XML."""

from __future__ import annotations

from virtlxc.cli import shown
from virtlxc.cli.domains import DOMAIN
from virtlxc.cli.failures import Failed
from virtlxc.cli.files import read_text
from virtlxc.cli.grammar import Command, alias, flag, rest, rows, text, word
from virtlxc.cli.lookup import domain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Session

VALIDATE = 1
# libvirt's virDomainUndefineFlagsValues.
UNDEFINE_FLAGS = (
    ("managed-save", 1), ("snapshots-metadata", 2), ("nvram", 4), ("keep-nvram", 8),
    ("checkpoints-metadata", 16), ("tpm", 32), ("keep-tpm", 64),
)  # fmt: skip
# libvirt's virDomainXMLFlags.
XML_FLAGS = (("security-info", 1), ("inactive", 2), ("update-cpu", 4), ("migratable", 8))


def _define(session: Session, args: Args) -> None:
    path = args["file"]
    xml = read_text(path)
    name, warnings = define(
        session, xml, VALIDATE if "validate" in args else 0, f"Failed to define domain from {path}"
    )
    session.remark(f"Domain '{name}' defined from {path}\n")
    session.warn(*warnings)


def define(session: Session, xml: str, flags: int, failed: str) -> tuple[str, list[str]]:
    """Defines a domain; its name, and what the daemon warns about.

    Only our own call tells warnings; another daemon gets libvirt's.
    """
    if session.readonly:
        # Refused in any case, and then in libvirt's words.
        session.call("DOMAIN_DEFINE_XML", failed=failed, xml=xml)
    try:
        found = session.own("DEFINE", failed=failed, xml=xml, flags=flags)
        return found["dom"][0], list(found["warnings"])
    except Failed as error:
        if not error.lacks_call:
            raise
    found = session.call("DOMAIN_DEFINE_XML_FLAGS", failed=failed, xml=xml, flags=flags)
    return found["dom"][0], []


def _undefine(session: Session, args: Args) -> None:
    if "wipe-storage" in args and "storage" not in args and "remove-all-storage" not in args:
        raise Failed("'--wipe-storage' requires '--storage <string>' or '--remove-all-storage'")
    ref = domain(session, args)
    name = args["domain"]
    if "storage" in args or "remove-all-storage" in args:
        if ref[2] >= 0:
            raise Failed("Storage volume deletion is supported only on stopped domains")
        raise Failed(
            "containers have no storage volumes",
            f"'virtlxc delete {name}' removes a domain with the files that 'new' made for it",
        )
    session.call(
        "DOMAIN_UNDEFINE_FLAGS",
        failed=f"Failed to undefine domain '{name}'",
        dom=ref,
        flags=args.bits(UNDEFINE_FLAGS),
    )
    session.remark(f"Domain '{name}' has been undefined\n")


def _dumpxml(session: Session, args: Args) -> str:
    ref = domain(session, args)
    xml: str = session.call("DOMAIN_GET_XML_DESC", dom=ref, flags=args.bits(XML_FLAGS))["xml"]
    return xml


def _domrename(session: Session, args: Args) -> None:
    ref = domain(session, args)
    session.call("DOMAIN_RENAME", dom=ref, new_name=args["new-name"])
    session.remark("Domain successfully renamed\n")


def _from_native(session: Session, args: Args) -> str:
    from virtlxc.cli.converting import from_native

    return from_native(session, args["format"], args.rest)


def _to_native(session: Session, args: Args) -> str:
    from virtlxc.cli.converting import to_native

    form, path = args["format"], args.get("xml")
    if "domain" in args:
        ref = domain(session, args)
        xml = session.call(
            "DOMAIN_GET_XML_DESC", failed="failed to retrieve XML", dom=ref
        )["xml"]
    elif path is not None:
        xml = read_text(path)
    else:
        raise Failed("need either domain or domain XML")
    return to_native(session, form, xml)


COMMANDS = rows(
    Command(
        "define",
        "define a domain from an XML file, or change its definition",
        word("file", "the domain's XML", complete="files"),
        flag("validate", "check the XML against the schema"),
        run=_define,
    ),
    Command(
        "undefine",
        "remove a domain's definition",
        DOMAIN,
        flag("managed-save", "remove its saved state too"),
        text("storage", "as virsh; containers have no volumes"),
        flag("remove-all-storage", "as virsh; containers have no volumes"),
        alias("delete-snapshots", "delete-storage-volume-snapshots"),
        flag("delete-storage-volume-snapshots", "as virsh; containers have no volumes"),
        flag("wipe-storage", "as virsh; containers have no volumes"),
        flag("snapshots-metadata", "remove what is known of its snapshots too"),
        flag("checkpoints-metadata", "remove what is known of its checkpoints too"),
        flag("nvram", "as virsh; containers have none"),
        flag("keep-nvram", "as virsh; containers have none"),
        flag("tpm", "as virsh; containers have none"),
        flag("keep-tpm", "as virsh; containers have none"),
        run=_undefine,
        excludes=(("nvram", "keep-nvram"), ("tpm", "keep-tpm")),
        needs=(("delete-storage-volume-snapshots", "remove-all-storage"),),
    ),
    Command(
        "dumpxml",
        "a domain as XML",
        DOMAIN,
        flag("inactive", "the definition, not what runs"),
        flag("security-info", "with what is secret"),
        flag("update-cpu", "as virsh; without effect here"),
        flag("migratable", "what a migration would send"),
        *shown.XPATH,
        read=_dumpxml,
        show=shown.xml,
    ),
    Command(
        "domrename",
        "rename a domain that does not run",
        word("domain", "name, id or UUID", complete="inactive-domains"),
        word("new-name", "the new name"),
        run=_domrename,
    ),
    Command(
        "domxml-from-native",
        "domain XML from another program's configuration; needs no root and no daemon",
        word("format", "lxc-tools, or oci for a bundle or its config.json"),
        rest("config", "the files to convert", required=True, complete="files"),
        read=_from_native,
        show=shown.as_it_is,
        connects=False,
    ),
    Command(
        "domxml-to-native",
        "another program's configuration from domain XML",
        word("format", "lxc-tools"),
        text("domain", "name, id or UUID", complete="domains"),
        text("xml", "a file with domain XML; needs no root and no daemon", complete="files"),
        read=_to_native,
        show=shown.as_it_is,
        connects=False,
        excludes=(("domain", "xml"),),
    ),
)
