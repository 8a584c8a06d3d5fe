"""The refusals that clients of libvirt know, in the words and numbers they know them by.

Programs look for these sentences (Pacemaker's agent greps for "domain is not running"), so they
are libvirt's own where it has one.
"""

from __future__ import annotations

from virtlxc.errors import Code, VirtlxcError


def no_domain_named(name: str) -> VirtlxcError:
    return VirtlxcError(f"Domain not found: No domain with matching name '{name}'", Code.NO_DOMAIN)


def no_domain_with_uuid(uuid: str, name: str = "") -> VirtlxcError:
    more = f" ({name})" if name else ""
    return VirtlxcError(
        f"Domain not found: No domain with matching uuid '{uuid}'{more}", Code.NO_DOMAIN
    )


def no_domain_with_id(id: int) -> VirtlxcError:
    return VirtlxcError(f"Domain not found: No domain with matching id {id}", Code.NO_DOMAIN)


def invalid(cause: str) -> VirtlxcError:
    """What the state of a domain forbids."""
    return VirtlxcError(f"Requested operation is not valid: {cause}", Code.OPERATION_INVALID)


def not_running() -> VirtlxcError:
    return invalid("domain is not running")


def already_running() -> VirtlxcError:
    return invalid("domain is already running")


def already_active(name: str) -> VirtlxcError:
    return invalid(f"domain '{name}' is already active")


def name_taken(name: str, uuid: str) -> VirtlxcError:
    return VirtlxcError(
        f"operation failed: domain '{name}' already exists with uuid {uuid}"
        " (give the document that uuid to change it, or another name)",
        Code.OPERATION_FAILED,
    )


def uuid_taken(name: str, uuid: str) -> VirtlxcError:
    return VirtlxcError(
        f"operation failed: domain '{name}' is already defined with uuid {uuid}"
        f" (to rename it: virtlxc domrename {name} NEW; else give the document another uuid)",
        Code.OPERATION_FAILED,
    )


def bad_argument(cause: str) -> VirtlxcError:
    return VirtlxcError(f"invalid argument: {cause}", Code.INVALID_ARG)


def unsupported(cause: str) -> VirtlxcError:
    return VirtlxcError(f"this function is not supported: {cause}", Code.NO_SUPPORT)


def check_flags(call: str, flags: int, known: int = 0) -> None:
    """Raises INVALID_ARG for bits that ``call`` does not know."""
    unknown = flags & ~known
    if unknown:
        raise bad_argument(f"unsupported flags (0x{unknown:x}) in function {call}")
