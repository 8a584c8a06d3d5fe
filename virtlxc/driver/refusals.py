"""The refusals that clients of libvirt know, in the words and numbers they know them by.

Programs look for these sentences (Pacemaker's agent greps for "domain is not running"), so they
are libvirt's own where it has one.
"""

from __future__ import annotations

from virtlxc.errors import Code, From, VirtlxcError


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


def check_flags(call: str, flags: int, known: int = 0) -> None:
    """Raises INVALID_ARG for bits that ``call`` does not know."""
    unknown = flags & ~known
    if unknown:
        raise bad_argument(f"unsupported flags (0x{unknown:x}) in function {call}")


class Refusals:
    """The refusals of one part of the driver, with libvirt's number for it.

    ``not_found`` begins the sentence about a thing that is not there: "Network not found: no
    network"; ``code`` is that error's.
    """

    def __init__(self, domain: int, not_found: str, code: int) -> None:
        self._domain = domain
        self._not_found = not_found
        self._code = code

    def missing(self, what: str) -> VirtlxcError:
        """``what`` was looked for: "name 'lab'"."""
        return VirtlxcError(f"{self._not_found} with matching {what}", self._code, self._domain)

    def not_there(self, cause: str) -> VirtlxcError:
        """The same in other words."""
        return VirtlxcError(f"{self._not_found}: {cause}", self._code, self._domain)

    def invalid(self, cause: str) -> VirtlxcError:
        """What the state of a thing forbids."""
        return self._refusal(f"Requested operation is not valid: {cause}", Code.OPERATION_INVALID)

    def failed(self, cause: str) -> VirtlxcError:
        return self._refusal(f"operation failed: {cause}", Code.OPERATION_FAILED)

    def bad_argument(self, cause: str) -> VirtlxcError:
        return self._refusal(f"invalid argument: {cause}", Code.INVALID_ARG)

    def not_supported(self, cause: str) -> VirtlxcError:
        return self._refusal(f"unsupported configuration: {cause}", Code.CONFIG_UNSUPPORTED)

    def _refusal(self, message: str, code: int) -> VirtlxcError:
        return VirtlxcError(message, code, self._domain)


NETWORK = Refusals(From.NETWORK, "Network not found: no network", Code.NO_NETWORK)
POOL = Refusals(From.STORAGE, "Storage pool not found: no storage pool", Code.NO_STORAGE_POOL)
VOLUME = Refusals(From.STORAGE, "Storage volume not found: no storage vol", Code.NO_STORAGE_VOL)
NODE_DEVICE = Refusals(
    From.NODEDEV, "Node device not found: no node device", Code.NO_NODE_DEVICE
)
INTERFACE = Refusals(From.INTERFACE, "Interface not found", Code.NO_INTERFACE)
