"""The text of every file that a service manager reads about us. Pure: golden files hold it.

Sources: systemd.service(5), systemd.socket(5), systemd.unit(5) for quoting, systemd.kill(5);
OpenRC's openrc-run(8) and supervise-daemon(8).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shlex import quote

MARK = "# Made by virtlxc install-units."
"""The first line of every file, after which nobody's own file is replaced or removed."""

# The guests' own bound (shutdown_timeout) is below it, and the rest is for what is killed then.
STOP_SECONDS = 300
WATCHDOG_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """How the command is run: words, and what must be in the environment."""

    argv: Sequence[str]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file: its path below the root, its text, and the links to it that enable it."""

    path: str
    text: str
    mode: int = 0o644
    links: tuple[str, ...] = ()


# systemd

_UNITS = "/etc/systemd/system"


def systemd_files(program: Program, group: str) -> tuple[File, ...]:
    """The units; ``group`` may write to the read-write socket."""
    return (
        _unit("virtlxc.service", _daemon(program), "multi-user.target"),
        _unit("virtlxc.socket", _socket("virtlxc-sock", "0660", group), "sockets.target"),
        _unit("virtlxc-ro.socket", _socket("virtlxc-sock-ro", "0666", "root"), "sockets.target"),
        _unit("virtlxc-guests.service", _guests(program), "multi-user.target"),
    )


def _unit(name: str, text: str, wanted_by: str) -> File:
    return File(
        path=f"{_UNITS}/{name}",
        text=f"{MARK} Changes belong beside it: systemctl edit {name}\n{text}",
        links=(f"{_UNITS}/{wanted_by}.wants/{name}",),
    )


def _daemon(program: Program) -> str:
    return f"""\
[Unit]
Description=virtlxc, containers from libvirt domain XML
Wants=virtlxc.socket virtlxc-ro.socket
After=virtlxc.socket virtlxc-ro.socket
After=local-fs.target remote-fs.target network.target
After=dbus.service polkit.service systemd-machined.service apparmor.service

[Service]
Type=notify
{_environment(program)}ExecStart={_command(program, "daemon")}
Sockets=virtlxc.socket virtlxc-ro.socket
# Containers outlive the daemon: only its own process is ended, and what it keeps in /run stays.
KillMode=process
RuntimeDirectory=virtlxc
RuntimeDirectoryMode=0755
RuntimeDirectoryPreserve=yes
Restart=on-failure
WatchdogSec={WATCHDOG_SECONDS}
Delegate=yes
OOMPolicy=continue
TasksMax=infinity
LimitNOFILE=1048576
# No sandbox here: containers would inherit its mounts.

[Install]
WantedBy=multi-user.target
Also=virtlxc.socket virtlxc-ro.socket virtlxc-guests.service
"""


def _socket(name: str, mode: str, group: str) -> str:
    what = "reading only" if name.endswith("-ro") else "everything"
    return f"""\
[Unit]
Description=virtlxc's socket for {what}
Before=virtlxc.service

[Socket]
ListenStream=/run/virtlxc/{name}
SocketMode={mode}
SocketUser=root
SocketGroup={group}
DirectoryMode=0755
Backlog=1000
Service=virtlxc.service

[Install]
WantedBy=sockets.target
"""


def _guests(program: Program) -> str:
    return f"""\
[Unit]
Description=virtlxc's containers: started at boot, asked to end before the host does
Wants=virtlxc.service
After=virtlxc.service
After=network-online.target time-sync.target remote-fs.target

[Service]
Type=oneshot
RemainAfterExit=yes
{_environment(program)}# Whatever does not start here: what runs must be stopped.
ExecStart=-{_command(program, "guests-start")}
ExecStop={_command(program, "guests-stop")}
KillMode=process
TimeoutStartSec=infinity
TimeoutStopSec={STOP_SECONDS}

[Install]
WantedBy=multi-user.target
"""


def _environment(program: Program) -> str:
    return "".join(
        f"Environment={_quoted(f'{name}={value}')}\n"
        for name, value in program.environment.items()
    )


def _command(program: Program, *words: str) -> str:
    first, *others = (*program.argv, *words)
    if set(first) & set("\"'\\"):
        # systemd takes no such path for a program, only for an argument.
        first, others = "/usr/bin/env", [first, *others]
    return " ".join([_quoted(first), *(_quoted(word).replace("$", "$$") for word in others)])


def _quoted(word: str) -> str:
    """A word of a unit file; only what needs quotes gets them."""
    escaped = word.replace("\\", "\\\\").replace("%", "%%").replace('"', '\\"')
    return f'"{escaped}"' if not word or set(word) & set(" \t;'\"") else escaped


# OpenRC

_SCRIPTS = "/etc/init.d"


def openrc_files(program: Program) -> tuple[File, ...]:
    return (
        _script("virtlxc", _openrc_daemon(program)),
        _script("virtlxc-guests", _openrc_guests(program)),
    )


def _script(name: str, text: str) -> File:
    return File(
        path=f"{_SCRIPTS}/{name}",
        text=f"#!/sbin/openrc-run\n{MARK} Settings belong into /etc/conf.d/{name}\n{text}",
        mode=0o755,
        links=(f"/etc/runlevels/default/{name}",),
    )


def _openrc_daemon(program: Program) -> str:
    first, *others = (*program.argv, "daemon")
    return f"""\
{_exports(program)}
description="virtlxc, containers from libvirt domain XML"
supervisor=supervise-daemon
command={quote(first)}
command_args={quote(" ".join(quote(word) for word in others))}
error_log=/var/log/virtlxc/daemon.log
# Containers outlive the daemon.
rc_cgroup_cleanup=no

depend() {{
    need localmount cgroups
    use net dbus logger
    after firewall
}}

start_pre() {{
    checkpath --directory --mode 0755 /run/virtlxc
    checkpath --directory --mode 0700 /var/log/virtlxc
}}
"""


def _openrc_guests(program: Program) -> str:
    command = " ".join(quote(word) for word in program.argv)
    return f"""\
{_exports(program)}
description="virtlxc's containers: started at boot, asked to end before the host does"

depend() {{
    need virtlxc
    after net
}}

start() {{
    ebegin "Waiting for virtlxc's containers"
    {command} guests-start
    eend 0
}}

stop() {{
    ebegin "Stopping virtlxc's containers"
    {command} guests-stop
    eend $?
}}
"""


def _exports(program: Program) -> str:
    return "".join(
        f"export {name}={quote(value)}\n" for name, value in program.environment.items()
    )
