"""How what somebody names is found: domains, networks, pools, volumes."""

from __future__ import annotations

from virtlxc.cli.failures import Failed
from virtlxc.errors import VirtlxcError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from virtlxc.cli.grammar import Args
    from virtlxc.cli.named import Kind
    from virtlxc.cli.session import NetworkRef, Ref, Session

UUID_LENGTH = 36
ID_MAX = (1 << 31) - 1


def domain(session: Session, args: Args) -> Ref:
    """The domain that the option ``domain`` names, by id, UUID or name."""
    return find_domain(session, args["domain"])


def find_domain(
    session: Session, given: str, *, by_id: bool = True, by_uuid: bool = True, by_name: bool = True
) -> Ref:
    """The domain of that id, UUID or name, in this order; Failed when there is none."""
    found: Any = None
    if by_id and given.isdecimal() and given.isascii() and int(given) <= ID_MAX:
        found = _ask(session, "DOMAIN_LOOKUP_BY_ID", id=int(given))
    if found is None and by_uuid and len(given) == UUID_LENGTH:
        raw = uuid_bytes(given)
        found = _ask(session, "DOMAIN_LOOKUP_BY_UUID", uuid=raw) if raw else None
    if found is None and by_name:
        found = _ask(session, "DOMAIN_LOOKUP_BY_NAME", name=given)
    if found is None:
        raise Failed(f"failed to get domain '{given}'")
    ref: Ref = found["dom"]
    return ref


def find_named(
    session: Session, kind: Kind, given: str, *, by_uuid: bool = True, by_name: bool = True
) -> NetworkRef:
    """The network or pool of that UUID or name; Failed, with the daemon's reason, if none is."""
    tries: list[tuple[str, dict[str, Any]]] = []
    raw = uuid_bytes(given) if by_uuid and len(given) == UUID_LENGTH else None
    if raw is not None:
        tries.append((f"{kind.call}_LOOKUP_BY_UUID", {"uuid": raw}))
    if by_name:
        tries.append((f"{kind.call}_LOOKUP_BY_NAME", {"name": given}))
    ref: NetworkRef = _first(session, tries, kind.field, f"failed to get {kind.noun} '{given}'")
    return ref


def _ask(session: Session, name: str, /, **fields: Any) -> dict[str, Any] | None:
    try:
        return session.connection.call(name, **fields)
    except VirtlxcError:
        return None


def uuid_bytes(text: str) -> bytes | None:
    """The 16 bytes of a UUID's text, None when it is none."""
    try:
        raw = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        return None
    return raw if len(raw) == 16 else None


def uuid_text(raw: bytes) -> str:
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def find_volume(
    session: Session,
    given: str,
    in_pool: str | None,
    *,
    by_name: bool = True,
    pool_option: str = "pool",
) -> tuple[str, str, str]:
    """The volume of that name in the pool, of that key, or at that path, in this order."""
    from virtlxc.cli.named import POOL

    tries: list[tuple[str, dict[str, Any]]] = []
    if in_pool is not None and by_name:
        where = find_named(session, POOL, in_pool)
        tries.append(("STORAGE_VOL_LOOKUP_BY_NAME", {"pool": where, "name": given}))
    tries.append(("STORAGE_VOL_LOOKUP_BY_KEY", {"key": given}))
    tries.append(("STORAGE_VOL_LOOKUP_BY_PATH", {"path": given}))
    hint = f", specifying --{pool_option} might help" if by_name and in_pool is None else ""
    ref: tuple[str, str, str] = _first(session, tries, "vol", f"failed to get vol '{given}'{hint}")
    return ref


def _first(
    session: Session, tries: list[tuple[str, dict[str, Any]]], field: str, failed: str
) -> Any:
    """What the first call that finds something gives; Failed with the last one's reason."""
    reasons: tuple[str, ...] = ()
    for name, fields in tries:
        try:
            return session.connection.call(name, **fields)[field]
        except VirtlxcError as error:
            reasons = (error.message,)
    raise Failed(failed, *reasons)
