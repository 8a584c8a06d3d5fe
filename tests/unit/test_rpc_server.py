"""What the server answers, to good and to bad questions; a fake driver stands behind it."""

from __future__ import annotations

import logging
import os

import pytest

from tests.unit.rpc_service import Service
from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.rpc import registry, wire
from virtlxc.rpc.client import RemoteError
from virtlxc.rpc.tables import PROGRAMS, REMOTE

REMOTE_NUMBER = PROGRAMS[REMOTE][0]


def test_the_sequence_of_libvirts_client(service: Service) -> None:
    raw = service.raw()
    assert raw.values("AUTH_LIST") == ([0],)
    assert raw.values("CONNECT_SUPPORTS_FEATURE", feature=10) == (1,)
    raw.open()
    assert raw.values("CONNECT_GET_URI") == ("lxc:///system",)
    for feature, supported in ((14, 1), (15, 1), (8, 1), (9, 1), (16, 1), (1, 0), (12, 0), (99, 0)):
        assert raw.values("CONNECT_SUPPORTS_FEATURE", feature=feature) == (supported,)
    assert raw.values("CONNECT_GET_TYPE") == ("LXC",)
    assert raw.values("CONNECT_GET_LIB_VERSION") == (9000000,)
    assert raw.values("CONNECT_IS_SECURE") == (1,)
    raw.values("CONNECT_REGISTER_CLOSE_CALLBACK")
    raw.values("CONNECT_UNREGISTER_CLOSE_CALLBACK")
    raw.values("CONNECT_CLOSE")
    assert raw.is_closed()


@pytest.mark.parametrize(
    "uri", [None, "", "lxc:///", "lxc:///system", "lxc:", "lxc+unix:///system"]
)
def test_uris_that_mean_us(service: Service, uri: str | None) -> None:
    service.raw().values("CONNECT_OPEN", name=uri, flags=0)


@pytest.mark.parametrize(
    ("uri", "flags", "code", "text"),
    [
        ("lxc:///session", 0, Code.INTERNAL_ERROR,
         "internal error: Unexpected LXC URI path '/session', try lxc:///system"),
        ("qemu:///system", 0, Code.NO_CONNECT,
         "no connection driver available for qemu:///system"),
        ("lxc:///system", 8, Code.INVALID_ARG,
         "invalid argument: unsupported flags (0x8) in function lxcConnectOpen"),
    ],
)  # fmt: skip
def test_uris_that_do_not(service: Service, uri: str, flags: int, code: int, text: str) -> None:
    raw = service.raw()
    assert raw.error(raw.packet("CONNECT_OPEN", name=uri, flags=flags))[::2] == (code, text)


def test_one_open_for_a_connection_and_none_before_it(service: Service) -> None:
    raw = service.raw()
    before = raw.error(raw.packet("CONNECT_GET_HOSTNAME"))
    assert before == (Code.INTERNAL_ERROR, From.RPC, "internal error: connection not open")
    raw.open()
    again = raw.error(raw.packet("CONNECT_OPEN", name=None, flags=0))
    assert again == (Code.INTERNAL_ERROR, From.RPC, "internal error: connection already open")


def test_a_procedure_that_does_not_exist(service: Service) -> None:
    """Clients turn an RPC error that begins so into "not supported"."""
    raw = service.raw().open()
    for number in (0, 444, 100000, -1):
        packet = wire.packet(REMOTE_NUMBER, 1, number, wire.CALL, 9, wire.OK, b"")
        assert raw.error(packet) == (Code.RPC, From.RPC, f"unknown procedure: {number}")


def test_an_event_cannot_be_called(service: Service) -> None:
    raw = service.raw().open()
    packet = wire.packet(REMOTE_NUMBER, 1, 318, wire.CALL, 9, wire.OK, b"")
    assert raw.error(packet)[0] == Code.RPC


def test_a_procedure_that_we_lack(service: Service) -> None:
    raw = service.raw().open()
    dom = service.driver.domains.add("web1")
    packet = raw.packet("DOMAIN_SAVE", dom=dom, to="/tmp/x")
    text = "this function is not supported by the connection driver: virDomainSave"
    assert raw.error(packet)[::2] == (Code.NO_SUPPORT, text)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("DOMAIN_GET_XML_DESC", "virDomainGetXMLDesc"),
        ("CONNECT_GET_ALL_DOMAIN_STATS", "virConnectGetAllDomainStats"),
        ("DOMAIN_LOOKUP_BY_UUID", "virDomainLookupByUUID"),
        ("NODE_GET_CPU_STATS", "virNodeGetCPUStats"),
        ("NETWORK_GET_DHCP_LEASES", "virNetworkGetDHCPLeases"),
        ("NWFILTER_LOOKUP_BY_NAME", "virNWFilterLookupByName"),
    ],
)
def test_names_of_libvirts_functions(name: str, expected: str) -> None:
    assert registry.api_name(name) == expected


def test_flags_that_we_do_not_know(service: Service) -> None:
    raw = service.raw().open()
    dom = service.driver.domains.add("web1")
    assert raw.error(raw.packet("DOMAIN_GET_TIME", dom=dom, flags=0x12))[::2] == (
        Code.INVALID_ARG,
        "invalid argument: unsupported flags (0x12) in function lxcDomainGetTime",
    )


def test_the_drivers_errors_come_through(service: Service) -> None:
    with service.connect() as connection, pytest.raises(RemoteError) as caught:
        connection.call("DOMAIN_LOOKUP_BY_NAME", name="nobody")
    assert (caught.value.code, caught.value.domain) == (Code.NO_DOMAIN, From.LXC)
    assert caught.value.message == "Domain not found: no domain with matching name 'nobody'"


def test_a_mistake_of_ours_is_logged_and_named(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    dom = service.driver.domains.add("web1")
    with service.connect() as connection, pytest.raises(RemoteError) as caught:
        connection.call("DOMAIN_SHUTDOWN", dom=dom)
    assert caught.value.code == Code.INTERNAL_ERROR
    assert caught.value.message.startswith(
        "internal error: virtlxc made a mistake in DOMAIN_SHUTDOWN; its log has the trace"
    )
    assert "ZeroDivisionError" in caplog.text


def test_typed_parameters_in_two_steps(service: Service) -> None:
    dom = service.driver.domains.add("web1")
    with service.connect() as connection:
        assert connection.call("DOMAIN_GET_MEMORY_PARAMETERS", dom=dom) == {
            "params": [], "nparams": 3
        }  # fmt: skip
        found = connection.call("DOMAIN_GET_MEMORY_PARAMETERS", dom=dom, nparams=2)
        assert [one[0] for one in found["params"]] == ["hard_limit", "soft_limit"]
        connection.call(
            "DOMAIN_SET_MEMORY_PARAMETERS", dom=dom, params=[("hard_limit", 4, 65536)], flags=1
        )
        found = connection.call("DOMAIN_GET_MEMORY_PARAMETERS", dom=dom, nparams=3)
        assert found["params"] == [("hard_limit", 4, 65536)]
        for flags, count in ((0, 1), (4, 2)):
            found = connection.call("DOMAIN_GET_BLKIO_PARAMETERS", dom=dom, nparams=9, flags=flags)
            assert found["nparams"] == count, "strings only for those who can read them"


def test_cpu_statistics_in_four_shapes(service: Service) -> None:
    dom = service.driver.domains.add("web1")

    def ask(nparams: int, start_cpu: int, ncpus: int) -> tuple[list[str], int]:
        found = connection.call(
            "DOMAIN_GET_CPU_STATS", dom=dom, nparams=nparams, start_cpu=start_cpu, ncpus=ncpus
        )
        return [one[0] for one in found["params"]], found["nparams"]

    with service.connect() as connection:
        assert ask(0, -1, 1) == ([], 2)
        assert ask(2, -1, 1) == (["cpu_time", "user_time"], 2)
        assert ask(0, 0, 0) == ([], 2)
        assert ask(1, 0, 2) == (["cpu_time", "cpu_time"], 1)


def test_an_audit_line_for_what_changes_something(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "virtlxc.audit")
    dom = service.driver.domains.add("web1")
    with service.connect() as connection:
        connection.call("CONNECT_LIST_ALL_DOMAINS")
        connection.call("DOMAIN_CREATE", dom=dom)
        with pytest.raises(RemoteError):
            connection.call("DOMAIN_UNDEFINE", dom=("gone", bytes(16), -1))
    who = f"uid={os.getuid()} pid={os.getpid()}"
    assert [one.getMessage() for one in caplog.records if one.name == "virtlxc.audit"] == [
        f"{who} call=DOMAIN_CREATE domain=web1 result=ok",
        f"{who} call=DOMAIN_UNDEFINE domain=gone "
        f"result=Domain not found: no domain with matching uuid '{'0' * 32}'",
    ]


def test_a_daemon_that_dies_in_the_middle(service: Service) -> None:
    connection = service.connect()
    service.on_loop(service.server.stop)
    with pytest.raises(VirtlxcError, match=r"the connection to .* broke"):
        connection.call("CONNECT_GET_TYPE")
    connection.close()
    connection.close()
