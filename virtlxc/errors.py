"""The errors that leave a room.

Three kinds, three bases: :class:`VirtlxcError` is what the user can mend, :class:`KernelRefused`
is what the kernel would not do, and everything else is a mistake of ours.

This module is on the start-up path of the command: it must import nothing.
"""

from __future__ import annotations


class Code:
    """Error numbers of libvirt's ``virErrorNumber`` (libvirt/virterror.h) that we use."""

    INTERNAL_ERROR = 1
    NO_SUPPORT = 3
    NO_CONNECT = 5
    INVALID_CONN = 6
    INVALID_ARG = 8
    OPERATION_FAILED = 9
    XML_ERROR = 27
    DOM_EXIST = 28
    OPERATION_DENIED = 29
    SYSTEM_ERROR = 38
    RPC = 39
    NO_DOMAIN = 42
    NO_NETWORK = 43
    INVALID_MAC = 44
    AUTH_FAILED = 45
    NO_STORAGE_POOL = 49
    NO_STORAGE_VOL = 50
    NO_NODE_DEVICE = 53
    OPERATION_INVALID = 55
    NO_INTERFACE = 57
    MULTIPLE_INTERFACES = 58
    NO_NWFILTER = 62
    NO_SECRET = 66
    CONFIG_UNSUPPORTED = 67
    OPERATION_TIMEOUT = 68
    ARGUMENT_UNSUPPORTED = 74
    OPERATION_ABORTED = 78
    AUTH_CANCELLED = 79
    NO_DOMAIN_METADATA = 80
    OPERATION_UNSUPPORTED = 84
    RESOURCE_BUSY = 87
    STORAGE_VOL_EXIST = 90
    XML_INVALID_SCHEMA = 92
    AUTH_UNAVAILABLE = 94
    DEVICE_MISSING = 99
    NO_NETWORK_PORT = 107


class From:
    """The part of the system an error comes from: libvirt's ``virErrorDomain``."""

    NONE = 0
    XML = 5
    RPC = 7
    CONF = 9
    REMOTE = 13
    LXC = 17
    STORAGE = 18
    NETWORK = 19
    DOMAIN = 20
    NODEDEV = 22
    INTERFACE = 26
    SECRET = 30
    NWFILTER = 33
    STREAMS = 38
    CGROUP = 54
    POLKIT = 60


class VirtlxcError(Exception):
    """Something that the user can mend.

    ``message`` names the object, the step, the cause and, when we know one, the mend. ``code`` and
    ``domain`` are libvirt's, so that clients of its API can act on them; ``errno`` is the kernel's
    number where a client acts on that, and travels as libvirt's does, in int1.
    """

    def __init__(
        self,
        message: str,
        code: int = Code.OPERATION_FAILED,
        domain: int = From.LXC,
        errno: int = -1,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.domain = domain
        self.errno = errno


class KernelRefused(Exception):
    """The kernel refused one step: its name, the errno and the path or object it was about."""

    def __init__(self, step: str, errno: int, path: str = "", detail: str = "") -> None:
        super().__init__(step, errno, path, detail)
        self.step = step
        self.errno = errno
        self.path = path
        self.detail = detail

    def __str__(self) -> str:
        from os import strerror

        where = f" {self.path}" if self.path else ""
        more = f" ({self.detail})" if self.detail else ""
        return f"{self.step}:{where}: {strerror(self.errno)}{more}"


def visible(text: str, keep: str = "") -> str:
    """Text with all but printable characters and those in ``keep`` escaped.

    Names and messages of guests are in it, and what shows it may be a terminal.
    """
    return "".join(
        sign if sign.isprintable() or sign in keep else sign.encode("unicode_escape").decode()
        for sign in text
    )
