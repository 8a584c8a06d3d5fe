"""virtlxc as a service of the host."""

from __future__ import annotations

from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Command, number, rows, text
from virtlxc.errors import Code, VirtlxcError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Session
    from virtlxc.host.services.texts import File

# What a connection says that was never made, or broke before there was an answer.
_NOBODY = (Code.NO_CONNECT, Code.SYSTEM_ERROR, Code.RPC)


def _files(session: Session, args: Args) -> tuple[str, str, tuple[File, ...]]:
    """(root, service manager, files)."""
    import os
    import sys

    from virtlxc.config import load_config
    from virtlxc.daemonize import code_environment
    from virtlxc.host.services import install, texts

    if session.paths.root != "/":
        raise Failed(f"a service runs the instance of /, not that of {session.paths.root}")
    root = os.path.abspath(args.get("root") or "/")
    if not os.path.isdir(root):
        raise Failed(f"there is no folder '{root}'")
    manager = args.get("manager") or install.manager_of(root)
    if manager not in install.MANAGERS:
        raise Failed(f"'{manager}' is none of {', '.join(install.MANAGERS)}")
    program = texts.Program(
        argv=(args.get("python") or sys.executable, "-m", "virtlxc"),
        environment=code_environment(),
    )
    group = load_config(session.paths.config).socket_group
    return root, manager, install.files_of(manager, program, root, group)


def _install(session: Session, args: Args) -> None:
    from virtlxc.host.services import install

    root, manager, files = _files(session, args)
    install.install(files, root, lambda line: session.remark(f"{line}\n"))
    if root == "/":
        session.flush()
        install.begin(manager, session.paths.lock, lambda line: session.remark(f"{line}\n"))


def _remove(session: Session, args: Args) -> None:
    from virtlxc.host.services import install

    root, manager, files = _files(session, args)
    if not install.ours(files, root):
        session.remark(f"There are no units of virtlxc's in {root}\n")
        return
    if root == "/":
        install.end(manager)
    install.remove(files, root, lambda line: session.remark(f"{line}\n"))
    if root == "/":
        install.forget(manager)


def _guests_start(session: Session, args: Args) -> None:
    found = session.own("GUESTS_START", failed="Failed to start the containers", flags=0)
    session.warn(*found["messages"])


def _guests_stop(session: Session, args: Args) -> None:
    from virtlxc.rpc.client import Connection

    seconds = args.integer("timeout", least=0) or 0
    try:
        connection = Connection(session.address, False)
        try:
            found = connection.call("GUESTS_STOP", program="virtlxc", seconds=seconds, flags=0)
        finally:
            connection.abandon()
        messages = found["messages"]
    except VirtlxcError as error:
        if error.code not in _NOBODY or session.uri:
            raise
        # At the end of a host nobody can be started any more: then this process does it.
        from virtlxc.daemon import stop_guests

        messages = stop_guests(session.paths, seconds)
    session.warn(*messages)


ROOT = text("root", "the host is an image below this folder", named=True, complete="files")
MANAGER = text("manager", "systemd or openrc, whatever is there", named=True)

COMMANDS = rows(
    Command(
        "install-units",
        "make virtlxc a service of the host: started at boot, containers stopped at its end",
        ROOT,
        MANAGER,
        text("python", "the interpreter that runs it there; this one by default", named=True),
        run=_install,
        connects=False,
    ),
    Command(
        "remove-units",
        "take away what install-units made; containers run on",
        ROOT,
        MANAGER,
        run=_remove,
        connects=False,
    ),
    Command(
        "guests-start",
        "wait until all that is marked for autostart has been started, as the service does",
        run=_guests_start,
    ),
    Command(
        "guests-stop",
        "have every domain end, as the service does before the host ends",
        number("timeout", "seconds after which they are destroyed; shutdown_timeout by default",
               named=True),
        run=_guests_stop,
        connects=False,
    ),
)  # fmt: skip
