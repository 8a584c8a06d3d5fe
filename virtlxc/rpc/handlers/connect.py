"""Opening a connection, and what a client asks before anything else but who it is."""

from __future__ import annotations

from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.rpc.registry import Call, handles

# The libvirt whose behaviour clients meet here: major * 1000000 + minor * 1000 + release.
LIB_VERSION = 9000000
SYSTEM_URI = "lxc:///system"
_READ_ONLY = 1

# virDrvFeature: what can be asked for. Migration, of any kind, is not among them.
_KEEPALIVE = 10
_FEATURES = {
    8: "descriptors may be passed",
    9: "typed parameters may be strings",
    _KEEPALIVE: "keepalive messages are answered",
    14: "events carry the number of their callback",
    15: "close callbacks",
    16: "NETWORK_UPDATE's fields are in the right order",
}


@handles("CONNECT_OPEN", fast=True, needs_open=False)
def connect_open(call: Call, name: str | None, flags: int) -> None:
    if call.peer.opened:
        raise VirtlxcError("internal error: connection already open", Code.INTERNAL_ERROR, From.RPC)
    if flags & ~_READ_ONLY:
        raise VirtlxcError(
            f"invalid argument: unsupported flags (0x{flags & ~_READ_ONLY:x}) "
            "in function lxcConnectOpen",
            Code.INVALID_ARG,
        )
    _check_uri(name or SYSTEM_URI)
    call.peer.open(readonly=bool(flags & _READ_ONLY))


def _check_uri(uri: str) -> None:
    scheme, _, rest = uri.partition(":")
    if scheme.partition("+")[0] != "lxc":
        raise VirtlxcError(f"no connection driver available for {uri}", Code.NO_CONNECT, From.NONE)
    path = rest.partition("?")[0]
    if path.startswith("//"):
        path = "/" + path[2:].partition("/")[2]
    if path not in ("", "/", "/system"):
        raise VirtlxcError(
            f"internal error: Unexpected LXC URI path '{path}', try lxc:///system",
            Code.INTERNAL_ERROR,
        )


@handles("CONNECT_CLOSE", fast=True)
def connect_close(call: Call) -> None:
    call.peer.close_soon()


@handles("CONNECT_SUPPORTS_FEATURE", fast=True, needs_open=False)
def connect_supports_feature(call: Call, feature: int) -> int:
    if feature == _KEEPALIVE:
        call.peer.start_keepalive()
    return int(feature in _FEATURES)


@handles("CONNECT_GET_TYPE", fast=True)
def connect_get_type(call: Call) -> str:
    return "LXC"


@handles("CONNECT_GET_URI", fast=True)
def connect_get_uri(call: Call) -> str:
    return SYSTEM_URI


@handles("CONNECT_GET_LIB_VERSION", fast=True)
def connect_get_lib_version(call: Call) -> int:
    return LIB_VERSION


@handles("CONNECT_IS_SECURE", fast=True)
def connect_is_secure(call: Call) -> int:
    """A UNIX socket is."""
    return 1


@handles("CONNECT_REGISTER_CLOSE_CALLBACK", fast=True)
def connect_register_close_callback(call: Call) -> None:
    """The client sees the end of the connection by itself; there is no hypervisor behind us."""


@handles("CONNECT_UNREGISTER_CLOSE_CALLBACK", fast=True)
def connect_unregister_close_callback(call: Call) -> None:
    """See above."""
