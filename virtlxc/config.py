"""virtlxc.toml: what an administrator may decide for a whole instance."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields

from virtlxc.errors import Code, From, VirtlxcError


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The settings of virtlxc.toml, each with the value it has when the file is silent."""

    libvirt_socket: bool = False
    """Listen where libvirt's clients look for the LXC driver, so that lxc:///system works."""

    require_idmap: bool = False
    """Refuse to start a domain whose root would be the host's root."""

    ignore: tuple[str, ...] = ()
    """Protecting elements that are not acted on and shall not make a start fail."""

    log_bytes: int = 1 << 20
    """A container's log is rotated once when it has this many bytes."""

    start_timeout: int = 60
    """Seconds after which a start that does not come to its end is given up."""

    shutdown_timeout: int = 90
    """Seconds that containers have to end by themselves when the host does; then they are
    destroyed."""

    socket_group: str = "virtlxc"
    """The group that may write to the read-write socket; its members are root."""

    auth_unix_rw: str = "auto"
    """Who is neither root nor in socket_group and wants the read-write socket: ``none`` keeps him
    out, ``polkit`` asks polkit, ``auto`` does so where polkit runs and knows virtlxc's action."""

    log_calls: bool = False
    """An audit line for every call, and for every event that is sent, not for changes alone."""

    # The limits of the sockets have the names and the values of libvirt's own.

    max_clients: int = 5000
    """Connections at a time, for each socket by itself; more wait until somebody leaves."""

    max_queued_clients: int = 1000
    """Connections that may wait to be accepted; the kernel refuses more."""

    max_anonymous_clients: int = 20
    """Connections that have not been opened yet, for each socket by itself."""

    max_workers: int = 20
    """Worker threads for calls that block."""

    prio_workers: int = 5
    """Worker threads for calls that must not queue behind slow ones, such as destroy."""

    max_client_requests: int = 5
    """Calls of one client that may be in flight; what it sends beyond them waits."""

    max_message_bytes: int = 33554436
    """The longest packet that a client may send, its length included; libvirt's clients send no
    longer ones."""

    keepalive_interval: int = 5
    """Seconds of silence after which a client is asked whether it is there."""

    keepalive_count: int = 5
    """Questions without an answer after which its connection is closed."""


def load_config(path: str) -> Config:
    """Reads the file; one that does not exist is an empty one.

    Raises VirtlxcError (CONF) for what is no TOML, a name that we do not know, a value of a wrong
    type.
    """
    try:
        with open(path, "rb") as file:
            found = tomllib.load(file)
    except FileNotFoundError:
        return Config()
    except tomllib.TOMLDecodeError as error:
        raise _bad(path, f"it is not valid TOML: {error}") from None
    except OSError as error:
        raise _bad(path, error.strerror or str(error)) from None
    values: dict[str, object] = {}
    known = {field.name: field.default for field in fields(Config)}
    for name, value in found.items():
        if name not in known:
            raise _bad(path, f"there is no setting {name!r} (known: {', '.join(sorted(known))})")
        values[name] = _checked(path, name, value, known[name])
    return Config(**values)  # type: ignore[arg-type]


def _checked(path: str, name: str, value: object, default: object) -> object:
    if isinstance(default, tuple):
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise _bad(path, f"{name} must be a list of strings, not {value!r}")
    if name in _CHOICES and value not in _CHOICES[name]:
        known = ", ".join(_CHOICES[name])
        more = " (SASL is not offered: come by ssh)" if value == "sasl" else ""
        raise _bad(path, f"{name} must be one of {known}, not {value!r}{more}")
    if type(value) is not type(default):
        raise _bad(path, f"{name} must be {_TYPE_NAMES[type(default)]}, not {value!r}")
    if isinstance(value, int) and not isinstance(value, bool) and value <= 0:
        raise _bad(path, f"{name} must be positive, not {value}")
    if isinstance(value, int) and value > _MOST.get(name, value):
        raise _bad(path, f"{name} must be at most {_MOST[name]}, not {value}")
    return value


_CHOICES = {"auth_unix_rw": ("auto", "none", "polkit")}
# virtlxc-guests.service is given up after 300 seconds.
_MOST = {"shutdown_timeout": 270}
_TYPE_NAMES = {bool: "true or false", int: "a whole number", str: "a string"}


def _bad(path: str, cause: str) -> VirtlxcError:
    text = f"cannot read the configuration {path}: {cause}"
    return VirtlxcError(text, Code.INVALID_ARG, From.CONF)
