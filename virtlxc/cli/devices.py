"""What commands about devices share: where a change goes, and the document of one device."""

from __future__ import annotations

from virtlxc.cli.domains import CONFIG, EXCLUDES, IN, INACTIVE_XML, LIVE
from virtlxc.cli.grammar import flag
from virtlxc.cli.lookup import domain
from virtlxc.markup import document, tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Ref, Session
    from virtlxc.markup import Lines

WHERE = (
    flag("persistent", "in the definition, and in what runs if it runs"),
    *IN,
)
WHERE_EXCLUDES = (("persistent", "current"), *EXCLUDES)
FORCE = 4


def flags_of(args: Args) -> int:
    """Live or persistent, as far as the options alone say it."""
    flags = CONFIG if "config" in args or "persistent" in args else 0
    return flags | (LIVE if "live" in args else 0)


def change(session: Session, args: Args, verb: str, xml: str, failed: str, ref: Ref) -> None:
    """Gives a device's document to the call ``verb`` (ATTACH, DETACH, UPDATE) of a domain.

    As virsh: the older call where it says the same, because errors name the call.
    """
    flags = flags_of(args)
    if "persistent" in args and session.call("DOMAIN_IS_ACTIVE", dom=ref)["active"]:
        flags |= LIVE
    if "force" in args:
        flags |= FORCE
    if flags or "current" in args or verb == "UPDATE":
        session.call(f"DOMAIN_{verb}_DEVICE_FLAGS", failed=failed, dom=ref, xml=xml, flags=flags)
    else:
        session.call(f"DOMAIN_{verb}_DEVICE", failed=failed, dom=ref, xml=xml)


def devices(session: Session, ref: Ref, tag: str, *, inactive: bool) -> list[Element]:
    """The elements of one kind of device in a domain's document."""
    from virtlxc.cli.xml import parse

    flags = INACTIVE_XML if inactive else 0
    xml = session.call("DOMAIN_GET_XML_DESC", dom=ref, flags=flags)["xml"]
    return parse(xml).findall(f"devices/{tag}")


def attach(session: Session, args: Args, what: str, inner: Lines, /, **attributes: object) -> None:
    """The end of attach-disk and attach-interface: the device ``what`` is attached, or shown."""
    xml = document(tag(what, inner, **attributes))
    if "print-xml" in args:
        session.say(xml)
        return
    ref = domain(session, args)
    change(session, args, "ATTACH", xml, f"Failed to attach {what}", ref)
    session.remark(f"{what.capitalize()} attached successfully\n")
