"""The sockets: their rights, the one for reading only, descriptors that travel, addresses."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from tests.unit.rpc_service import Raw, Service, running
from virtlxc.errors import Code, VirtlxcError
from virtlxc.rpc import registry, wire
from virtlxc.rpc.client import Connection, RemoteError, socket_path
from virtlxc.rpc.listen import listen_unix
from virtlxc.rpc.tables import LXC, OWN, procedure


def test_the_read_only_socket(service: Service) -> None:
    dom = service.driver.domains.add("web1")
    with service.connect(readonly=True) as connection:
        assert connection.path == service.path_ro
        assert connection.call("CONNECT_LIST_ALL_DOMAINS", need_results=1)["ret"] == 1
        assert "secret" not in connection.call("DOMAIN_GET_XML_DESC", dom=dom)["xml"]
        with pytest.raises(RemoteError, match="virDomainGetXMLDesc with secure flag") as caught:
            connection.call("DOMAIN_GET_XML_DESC", dom=dom, flags=1)
        assert caught.value.code == Code.OPERATION_DENIED
        with pytest.raises(RemoteError) as refused:
            connection.call("DOMAIN_DESTROY", dom=dom)
        assert refused.value.code == Code.OPERATION_DENIED
        assert refused.value.message == (
            "operation forbidden: read only access prevents virDomainDestroy"
        )
        for name in ("LOGS", "EXEC_START", "CONSOLE_RESIZE"):
            with pytest.raises(RemoteError, match="read only access prevents"):
                connection.call(name, program=OWN, dom=dom)


def test_a_connection_may_make_itself_read_only(service: Service) -> None:
    raw = service.raw()
    raw.values("CONNECT_OPEN", name=None, flags=1)
    dom = service.driver.domains.add("web1")
    assert raw.error(raw.packet("DOMAIN_DESTROY", dom=dom))[0] == Code.OPERATION_DENIED


def test_every_row_without_the_mark_is_refused(service: Service) -> None:
    raw = Raw(service.path_ro).open()
    for handler in registry.all_handlers():
        row = handler.procedure
        if "ro" not in row.marks:
            packet = wire.packet(row.program, 1, row.number, wire.CALL, 9, wire.OK, b"")
            assert raw.error(packet)[0] == Code.OPERATION_DENIED, row.name


def test_the_sockets_rights(service: Service) -> None:
    assert stat.S_IMODE(os.stat(service.path).st_mode) == 0o660
    assert stat.S_IMODE(os.stat(service.path_ro).st_mode) == 0o666
    assert sorted(os.listdir(os.path.dirname(service.path))) == [
        "virtlxc-sock", "virtlxc-sock-ro"
    ]  # fmt: skip


def test_a_socket_of_a_living_daemon_is_not_taken(service: Service) -> None:
    with pytest.raises(VirtlxcError) as caught:
        listen_unix(service.path, 0o660)
    assert caught.value.code == Code.RESOURCE_BUSY
    assert f"process {os.getpid()} (" in caught.value.message
    assert service.path in caught.value.message
    with service.connect() as connection:
        connection.call("CONNECT_GET_TYPE")


def test_a_socket_of_a_dead_daemon_is_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "sock")
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(path)
    dead.listen()
    dead.close()
    with listen_unix(path, 0o660) as made, socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        assert made.accept()


def test_a_path_longer_than_an_address_can_be(tmp_path: Path) -> None:
    path = str(tmp_path / ("x" * 120) / "sock")
    with running(str(tmp_path / ("y" * 120))) as service, service.connect() as connection:
        assert connection.call("CONNECT_GET_TYPE") == {"type": "LXC"}
    with listen_unix(path, 0o660):
        assert stat.S_ISSOCK(os.stat(path).st_mode)


def test_the_sockets_are_gone_afterwards(tmp_path: Path) -> None:
    with running(str(tmp_path)) as service:
        path = service.path
    assert not os.path.exists(path)


def test_descriptors_come_back(service: Service) -> None:
    dom = service.driver.domains.add("web1")
    with service.connect() as connection:
        fds = connection.call("DOMAIN_OPEN_NAMESPACE", program=LXC, dom=dom)["fds"]
    assert [os.readlink(f"/proc/self/fd/{fd}").partition(":")[0] for fd in fds] == ["ipc", "uts"]
    for fd in fds:
        os.close(fd)


def test_descriptors_go_with_a_call_and_are_closed(service: Service) -> None:
    dom = service.driver.domains.add("web1")
    reading, writing = os.pipe()
    with service.connect() as connection:
        connection.call("DOMAIN_CREATE_WITH_FILES", dom=dom, fds=[writing, writing])
        os.close(writing)
        assert os.read(reading, 1) == b"", "the server has closed its copies"
    os.close(reading)


def test_descriptors_that_were_announced_and_do_not_come(service: Service) -> None:
    raw = service.raw().open()
    dom = service.driver.domains.add("web1")
    row = procedure("DOMAIN_CREATE_WITH_FILES")
    payload = wire.with_fd_count(1, row.args.encode_named({"dom": dom}))
    raw.socket.sendall(
        wire.packet(row.program, 1, row.number, wire.CALL_WITH_FDS, 9, wire.OK, payload) + b"\0"
    )
    assert raw.is_closed()


def test_descriptors_for_a_call_that_takes_none(service: Service) -> None:
    raw = service.raw().open()
    row = procedure("CONNECT_GET_TYPE")
    payload = wire.with_fd_count(0, b"")
    packet = wire.packet(row.program, 1, row.number, wire.CALL_WITH_FDS, 9, wire.OK, payload)
    assert raw.error(packet)[::2] == (Code.RPC, "CONNECT_GET_TYPE takes no descriptors")


def test_too_many_descriptors(service: Service) -> None:
    raw = service.raw().open()
    row = procedure("DOMAIN_CREATE_WITH_FILES")
    payload = wire.with_fd_count(33, b"")
    raw.socket.sendall(
        wire.packet(row.program, 1, row.number, wire.CALL_WITH_FDS, 9, wire.OK, payload)
    )
    assert raw.is_closed()


def test_a_socket_that_is_not_there(tmp_path: Path) -> None:
    path = str(tmp_path / "sock")
    with pytest.raises(VirtlxcError) as caught:
        Connection(path)
    assert caught.value.message.startswith(
        f"Failed to connect socket to '{path}': No such file or directory "
        "(the daemon is not running; start it: "
    )


@pytest.mark.parametrize(
    ("address", "readonly", "expected"),
    [
        ("/run/x", False, "/run/x"),
        ("/run/x", True, "/run/x-ro"),
        ("lxc+unix:///system?socket=/run/a%20b", False, "/run/a b"),
        ("lxc+unix:///system?mode=direct&socket=/run/x", True, "/run/x-ro"),
    ],
)
def test_addresses(address: str, readonly: bool, expected: str) -> None:
    assert socket_path(address, readonly) == expected


def test_an_address_of_somebody_else() -> None:
    with pytest.raises(VirtlxcError, match="no connection driver available for qemu:///system"):
        socket_path("qemu:///system")


@pytest.mark.parametrize("uri", ["lxc:///session", "lxc+unix:///elsewhere?socket=/s"])
def test_a_path_that_libvirt_has_not_is_refused_in_its_words(uri: str) -> None:
    with pytest.raises(VirtlxcError, match=r"Unexpected LXC URI path '/.*', try lxc:///system"):
        socket_path(uri)
