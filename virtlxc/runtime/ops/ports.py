"""A pair's end on the host as a port of its bridge: its VLANs, and a port of Open vSwitch.

The switch is told by its own program, ovs-vsctl(8), whose word is a transaction: all or nothing.
"""

from __future__ import annotations

import errno
import os

from .. import netlink
from ..lean import signal, unparse
from .context import Context, StepError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: How long the switch may take for an answer, in seconds; and for one that nobody waits for.
_PATIENCE = 5
_PARTING = 2
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MESSAGE = 4096
_SAYS = "ovs-vsctl: "


def vlan(ctx: Context, *, host: str, bridge: str, native: int | None, tagged: list[int]) -> None:
    """Let the port ``host`` of ``bridge`` carry these VLANs and no others.

    ``native`` is the VLAN of frames without a tag; unless it is in ``tagged`` as well, its own go
    out without. The VLAN that the bridge had put the port into by itself is taken away.
    """
    with netlink.Route() as route:
        if not route.filters(bridge):
            text = (
                f"bridge '{bridge}' keeps no VLANs apart (ip link set {bridge} type bridge "
                "vlan_filtering 1)"
            )
            raise StepError(0, bridge, text)
        route.request(netlink.vlan_request(route.index(host), native, tagged), host)


def attach(
    ctx: Context,
    *,
    program: str,
    bridge: str,
    host: str,
    ids: dict[str, str],
    tag: int | None = None,
    trunks: list[int] | None = None,
    vlan_mode: str | None = None,
) -> None:
    """Make the link ``host`` a port of Open vSwitch's ``bridge``, by ovs-vsctl (``program``).

    ``ids`` are the interface's external ids, vm-id among them; ``tag``, ``trunks``, ``vlan_mode``
    columns of the switch's table Port. A port of this name that the same vm-id left is replaced.
    The limits of its traffic are not the switch's: it would take them away when it begins anew.
    Undo: ovs-port-away {program, host, vm}.
    """
    words = _adding(bridge, host, ids, tag, trunks, vlan_mode)
    status, said = _run(program, words)
    if status and "already exists" in said and _left(program, host, ids["vm-id"]):
        away(ctx, program=program, host=host, vm=ids["vm-id"])
        status, said = _run(program, words)
    if status or "Error detected" in said:
        raise StepError(0, bridge, _mended(status, said, bridge))


def _adding(
    bridge: str,
    host: str,
    ids: dict[str, str],
    tag: int | None,
    trunks: list[int] | None,
    vlan_mode: str | None,
) -> list[str]:
    words = ["--", "add-port", bridge, host]
    if tag is not None:
        words.append(f"tag={tag}")
    if trunks:
        words.append(f"trunks={','.join(map(str, trunks))}")
    if vlan_mode is not None:
        words.append(f"vlan_mode={vlan_mode}")
    told = {**ids, "iface-status": "active"}
    return [
        *words,
        *("--", "set", "Interface", host),
        *(f"external-ids:{name}={_quoted(value)}" for name, value in told.items()),
        *("--", "--id=@own", "create", "QoS", "type=linux-noop"),
        *(f"external-ids:{name}={_quoted(value)}" for name, value in
          (("port", host), ("vm-id", ids["vm-id"]))),
        *("--", "set", "Port", host, "qos=@own"),
    ]  # fmt: skip


def _quoted(text: str) -> str:
    """As a string of JSON, which the program reads: a value may have signs of its own language."""
    return unparse(text).decode()


def away(ctx: Context, *, program: str, host: str, vm: str) -> None:
    """Take the port ``host`` out of Open vSwitch, if ``vm`` is its vm-id; missing is no error.

    Without the program there can be no such port. (An undo.)
    """
    try:
        if not _left(program, host, vm):
            return
        # Rows of QoS do not go with the port, nor in one transaction with it.
        own = _find(program, "QoS", "_uuid", f"external_ids:port={_quoted(host)}", vm)
        if own:
            clear = ["--", "--if-exists", "clear", "Port", host, "qos"]
            _run(program, ["--no-wait", *clear, "--", "--if-exists", "destroy", "QoS", *own])
        status, said = _run(program, ["--if-exists", "del-port", host], _PARTING)
        # A switch that does not run has it in its list of what is to be done.
        if status and _left(program, host, vm):
            raise StepError(0, host, _mended(status, said, host))
    except FileNotFoundError:
        return
    except StepError as error:
        text = f"{error.text}; then: ovs-vsctl --if-exists del-port {host}"
        raise StepError(0, host, text) from None


def _left(program: str, host: str, vm: str) -> bool:
    """Whether the switch has a port of that name and vm-id."""
    return host in _find(program, "Interface", "name", f"name={_quoted(host)}", vm)


def _find(program: str, table: str, column: str, condition: str, vm: str) -> list[str]:
    """A column of the rows that meet a condition and have that vm-id."""
    own = f"external_ids:vm-id={_quoted(vm)}"
    status, said = _run(program, ["--bare", f"--columns={column}", "find", table, condition, own])
    if status < 0:
        text = f"Open vSwitch's database did not answer within {_PATIENCE} s (restart ovsdb-server)"
        raise StepError(0, "", text)
    if status:
        raise StepError(0, "", _mended(status, said, ""))
    return said.split()


def _mended(status: int, said: str, bridge: str) -> str:
    """What the program says, in a sentence with the mend."""
    if status < 0:
        return (
            f"Open vSwitch's database was changed, and its switch did not follow within {_PATIENCE}"
            " s (start ovs-vswitchd)"
        )
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    own = [line.removeprefix(_SAYS) for line in lines if line.startswith(_SAYS)]
    cause = next(iter((*own, *lines)), f"ovs-vsctl ended with {status}")
    if "database connection failed" in said:
        return f"{cause} (start Open vSwitch: systemctl start openvswitch-switch)"
    if "no bridge named" in said:
        return f"Open vSwitch has {cause} (ovs-vsctl add-br {bridge})"
    return f"Open vSwitch: {cause}"


def _run(program: str, words: list[str], patience: int = _PATIENCE) -> tuple[int, str]:
    """The status and all output of ovs-vsctl; it ends by itself, by SIGALRM if it must.

    Spawned, not forked: the daemon, which has threads, also performs undos.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        actions: list[Any] = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, writer, 1),
            (os.POSIX_SPAWN_DUP2, writer, 2),
        ]
        pid = os.posix_spawn(
            program,
            [program, f"--timeout={patience}", *words],
            {"PATH": _PATH, "LC_ALL": "C"},
            file_actions=actions,
            setsigmask=[],
            setsigdef=[signal.SIGPIPE, signal.SIGALRM, signal.SIGCHLD],
        )
    except OSError as error:
        os.close(reader)
        if error.errno == errno.ENOENT:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program) from None
        raise
    finally:
        os.close(writer)
    said = b""
    try:
        while data := os.read(reader, _MESSAGE):
            said += data
    finally:
        os.close(reader)
        _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), said.decode(errors="replace")
