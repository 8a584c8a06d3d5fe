"""What containers do not have: emptiness that is true, and refusals in the words of libvirt."""

from __future__ import annotations

import uuid

import pytest

from tests import peers
from tests.harness import Instance
from tests.interop.library import Library, LibraryError
from tests.unit.rpc_service import Raw
from tests.unit.test_rpc_codec import _plain_fields
from virtlxc.rpc import registry, tables, wire
from virtlxc.rpc.client import Connection
from virtlxc.rpc.tables import LXC, REMOTE, Procedure

pytestmark = pytest.mark.interop

NO_SUPPORT, NO_SECRET, NO_NWFILTER = 3, 66, 62
UUID = bytes(range(16))


def refusal(library: Library, call: str) -> LibraryError:
    with pytest.raises(LibraryError) as caught:
        library(call)
    return caught.value


@pytest.mark.proves(
    "CONNECT_NUM_OF_SECRETS", "CONNECT_LIST_ALL_SECRETS", "CONNECT_NUM_OF_NWFILTERS",
    "CONNECT_LIST_ALL_NWFILTERS", "CONNECT_LIST_ALL_NWFILTER_BINDINGS",
)  # fmt: skip
def test_secrets_and_filters(library: Library) -> None:
    """There are none, and none can be made: so the lists stay true."""
    lists = (
        "[connection.numOfSecrets(), connection.listSecrets(), connection.listAllSecrets(), "
        "connection.numOfNWFilters(), connection.listNWFilters(), connection.listAllNWFilters(), "
        "connection.listAllNWFilterBindings()]"
    )
    empty = [0, [], [], 0, [], [], []]
    assert library(lists) == empty
    for call, api in (
        ("secretDefineXML('<secret/>')", "virSecretDefineXML"),
        ("nwfilterDefineXML('<filter name=\"f\"/>')", "virNWFilterDefineXML"),
        ("nwfilterBindingCreateXML('<filterbinding/>')", "virNWFilterBindingCreateXML"),
    ):
        error = refusal(library, f"connection.{call}")
        assert (error.code, error.message.rpartition(": ")[2]) == (NO_SUPPORT, api)
    assert library(lists) == empty


@pytest.mark.proves("SECRET_LOOKUP_BY_UUID", "SECRET_LOOKUP_BY_USAGE", "NWFILTER_LOOKUP_BY_NAME",
                    "NWFILTER_LOOKUP_BY_UUID", refused=True)  # fmt: skip
def test_lookups_of_what_nobody_has(library: Library) -> None:
    for call, code, text in (
        (f"secretLookupByUUID({UUID!r})", NO_SECRET, "no secret with matching uuid"),
        ("secretLookupByUsage(1, 'u')", NO_SECRET, "no secret with matching usage"),
        ("nwfilterLookupByName('f')", NO_NWFILTER, "no nwfilter with matching name 'f'"),
        (f"nwfilterLookupByUUID({UUID!r})", NO_NWFILTER, "no nwfilter with matching uuid"),
    ):
        error = refusal(library, f"connection.{call}")
        assert error.code == code
        assert text in error.message


@pytest.mark.proves(
    "DOMAIN_HAS_MANAGED_SAVE_IMAGE", "DOMAIN_SNAPSHOT_NUM", "DOMAIN_LIST_ALL_SNAPSHOTS",
    "DOMAIN_HAS_CURRENT_SNAPSHOT", "DOMAIN_LIST_ALL_CHECKPOINTS",
)  # fmt: skip
def test_snapshots_and_saved_images(library: Library) -> None:
    """There are none, and none can be made."""
    lists = (
        "[dom.hasManagedSaveImage(), dom.snapshotNum(), dom.snapshotListNames(), "
        "dom.listAllSnapshots(), dom.hasCurrentSnapshot(), dom.listAllCheckpoints()]"
    )
    empty = [0, 0, [], [], 0, []]
    assert library(lists) == empty
    for call in ("managedSave()", "snapshotCreateXML('<domainsnapshot/>')",
                 "checkpointCreateXML('<domaincheckpoint/>')"):  # fmt: skip
        assert refusal(library, f"dom.{call}").code == NO_SUPPORT
    assert library(lists) == empty


@pytest.mark.proves("CONNECT_LIST_SECRETS", "CONNECT_LIST_NWFILTERS", "DOMAIN_SNAPSHOT_LIST_NAMES",
                    old=True)  # fmt: skip
def test_lists_that_the_library_asks_for_no_more(
    shared_instance: Instance, library: Library
) -> None:
    """It has just been told that there are none; other programs may ask all the same."""
    dom = ("web", uuid.UUID(library("dom.UUIDString()")).bytes, -1)
    with Connection(shared_instance.paths.socket) as other:
        assert other.call("CONNECT_LIST_SECRETS", maxuuids=9) == {"uuids": []}
        assert other.call("CONNECT_LIST_NWFILTERS", maxnames=9) == {"names": []}
        found = other.call("DOMAIN_SNAPSHOT_LIST_NAMES", dom=dom, maxnames=9)
        assert found == {"names": []}


@pytest.mark.proves("DOMAIN_GET_JOB_INFO", "DOMAIN_GET_JOB_STATS", "DOMAIN_GET_DISK_ERRORS")
def test_jobs_and_errors(library: Library) -> None:
    """No call of ours is a job that goes on after its reply."""
    library("dom.create()")
    assert library("dom.jobInfo()")[0] == 0
    assert library("dom.jobStats()")["type"] == 0
    assert library("dom.diskErrors()") == {}
    assert refusal(library, "dom.abortJob()").code == NO_SUPPORT
    library("dom.destroy()")


def unsupported() -> list[tuple[str, tables.Row]]:
    """The rows that nobody answers: what virtual machines and clusters have."""
    registry.load()
    answered = {(one.procedure.program, one.procedure.number) for one in registry.all_handlers()}
    return [
        (program, row)
        for program in (REMOTE, LXC)
        for row in tables.rows(program)
        if (tables.PROGRAMS[program][0], row[0]) not in answered and "event" not in row[4].split()
    ]


def test_rows_that_nobody_answers(shared_instance: Instance, library: Library) -> None:
    """Each is refused as NO_SUPPORT, by the name of a function that libvirt's library has."""
    raw = Raw(shared_instance.paths.socket).open()
    named = []
    for program, row in unsupported():
        number, version = tables.PROGRAMS[program]
        payload = b""
        if row[2]:
            payload = Procedure(program, row).args.encode(_plain_fields(row[2], False))
        packet = wire.packet(number, version, row[0], wire.CALL, 7, wire.OK, payload)
        code, _domain, text = raw.error(packet)
        words, _, api = text.rpartition(": ")
        assert (code, words) == (
            NO_SUPPORT, "this function is not supported by the connection driver"
        ), row[1]  # fmt: skip
        named.append(api)
    folder = peers.virsh().root / "usr/lib"
    [path] = [str(one) for one in folder.glob("*/libvirt.so.0")]
    library(f"import ctypes; functions = ctypes.CDLL({path!r})")
    strange = library(f"[name for name in {named!r} if not hasattr(functions, name)]")
    assert strange == [], "no functions of libvirt's"


# What a person's tools call, and the function that the library's error then names.
CALLS = (
    ("connection.restore('/nowhere')", "virDomainRestore"),
    ("connection.compareCPU('<cpu/>')", "virConnectCompareCPU"),
    ("connection.baselineCPU(['<cpu/>'])", "virConnectBaselineCPU"),
    ("connection.getCPUModelNames('x86_64')", "virConnectGetCPUModelNames"),
    ("connection.interfaceDefineXML('<interface/>')", "virInterfaceDefineXML"),
    ("connection.changeBegin()", "virInterfaceChangeBegin"),
    ("connection.suspendForDuration(0, 60)", "virNodeSuspendForDuration"),
    ("connection.getSEVInfo()", "virNodeGetSEVInfo"),
    ("dom.save('/nowhere')", "virDomainSave"),
    ("dom.coreDump('/nowhere')", "virDomainCoreDump"),
    ("dom.migrateSetMaxSpeed(1)", "virDomainMigrateSetMaxSpeed"),
    ("dom.injectNMI()", "virDomainInjectNMI"),
    ("dom.reset()", "virDomainReset"),
    ("dom.blockPull('vda')", "virDomainBlockPull"),
    ("dom.blockCommit('vda', None, None)", "virDomainBlockCommit"),
    ("dom.blockJobAbort('vda')", "virDomainBlockJobAbort"),
    ("dom.sendKey(0, 0, [30], 1)", "virDomainSendKey"),
    ("dom.pMWakeup()", "virDomainPMWakeup"),
    ("dom.fSTrim(None, 0)", "virDomainFSTrim"),
    ("dom.fsFreeze()", "virDomainFSFreeze"),
    ("dom.fsThaw()", "virDomainFSThaw"),
    ("dom.setUserPassword('root', 'x')", "virDomainSetUserPassword"),
    ("dom.perfEvents()", "virDomainGetPerfEvents"),
    ("dom.ioThreadInfo()", "virDomainGetIOThreadInfo"),
    ("dom.addIOThread(1)", "virDomainAddIOThread"),
    ("dom.launchSecurityInfo()", "virDomainGetLaunchSecurityInfo"),
    ("dom.backupBegin('<domainbackup/>', None)", "virDomainBackupBegin"),
    ("dom.authorizedSSHKeysGet('root')", "virDomainAuthorizedSSHKeysGet"),
)


@pytest.mark.parametrize(("call", "api"), CALLS, ids=[api for _call, api in CALLS])
def test_the_librarys_words(library: Library, call: str, api: str) -> None:
    error = refusal(library, call)
    assert (error.code, error.message) == (
        NO_SUPPORT, f"this function is not supported by the connection driver: {api}"
    )  # fmt: skip




def test_the_table_grows_old() -> None:
    """Fewer rows are refused with time, never more."""
    assert len(unsupported()) <= 205
