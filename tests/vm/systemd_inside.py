"""What a host with systemd shows of virtlxc: run by that host, in the virtual machine.

Two boots: the checks of ``FIRST``, then a reboot with containers running, then those of ``SECOND``.
Each check is a function; its name and what it says when it fails go to a file in the shared folder,
where :mod:`tests.vm.test_systemd_host` reads them. With names as arguments only those of ``FIRST``
are made, and nothing is rebooted: so :mod:`tests.host.test_services` has them made in a container.
Needs nothing but Python and the checkout, because pytest alone would take half a minute to import.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.vm.systemd_tools import (
    GUEST,
    HANGS,
    HAS_MEMORY,
    KEPT,
    POLITE,
    RESULTS,
    SHUTDOWN_S,
    STALE,
    UUIDS,
    answers,
    define,
    group,
    journal,
    log,
    pids,
    run,
    scope,
    show,
    status,
    virtlxc,
    wait_for,
)

# The first boot


def units_are_installed_and_run() -> None:
    said = virtlxc("install-units").ok()
    assert "Made /etc/systemd/system/virtlxc.service" in said, said
    units = ("virtlxc.service", "virtlxc.socket", "virtlxc-ro.socket", "virtlxc-guests.service")
    for unit in units:
        assert run("systemctl", "is-active", unit).out == "active\n", run(
            "systemctl", "status", unit
        )
        assert run("systemctl", "is-enabled", unit).out == "enabled\n"
    verified = run("systemd-analyze", "verify", "--man=no", *units)
    assert "virtlxc" not in verified.err, verified
    modes = {
        name: os.stat(f"/run/virtlxc/{name}").st_mode & 0o777
        for name in ("virtlxc-sock", "virtlxc-sock-ro")
    }
    assert modes["virtlxc-sock-ro"] == 0o666
    # polkit is there, and asks who is neither root nor in the group.
    assert modes["virtlxc-sock"] in (0o660, 0o666), modes


def controllers_that_systemd_does_not_delegate_are_one_clear_error() -> None:
    folder = Path("/run/systemd/system/machine.slice.d")
    folder.mkdir(parents=True)
    (folder / "less.conf").write_text("[Slice]\nDisableControllers=pids\n")
    run("systemctl", "daemon-reload").ok()
    try:
        define("extra", "/init.polite")
        said = virtlxc("start", "extra")
        assert said.code == 1, said
        assert "systemd does not delegate pids to it" in said.err, said
        assert not Path(f"/run/virtlxc/{UUIDS['extra']}").exists()
        wait_for(
            "the scope's end",
            lambda: not run("systemctl", "list-units", "--no-legend", "machine-*.scope").out,
        )
    finally:
        (folder / "less.conf").unlink()
        run("systemctl", "daemon-reload").ok()
        run("systemctl", "stop", "machine.slice").ok()


def the_socket_starts_the_daemon() -> None:
    define("extra", "/init.polite")
    run("systemctl", "stop", "virtlxc.service").ok()
    said = virtlxc("list", "--all")
    assert "extra" in said.ok()
    assert said.err == "", said
    assert run("systemctl", "is-active", "virtlxc.service").out == "active\n"


def a_command_starts_the_daemon_by_systemctl_and_logging_out_ends_nothing() -> None:
    run("systemctl", "stop", "virtlxc.socket", "virtlxc-ro.socket", "virtlxc.service").ok()
    define_by = run(
        *("systemd-run", "--wait", "--pipe", "--quiet", "--unit=login-of-somebody"),
        *("-p", "PAMName=login", "-p", "User=root"),
        *("sh", "-c", "cat /proc/self/cgroup; virtlxc start extra; echo $XDG_SESSION_ID"),
    )
    said = define_by.ok()
    assert "session-" in said, define_by
    assert "started virtlxc.service" in define_by.err, define_by
    session = said.split()[-1]
    wait_for("the session's end", lambda: run("loginctl", "show-session", session).code)
    main = int(show("virtlxc.service", "MainPID")["MainPID"])
    assert group(main) == "/system.slice/virtlxc.service"
    assert group(pids("extra")[0]).startswith("/machine.slice/machine-lxc")
    answers("extra", "there")
    virtlxc("destroy", "extra").ok()
    run("systemctl", "start", "virtlxc.socket", "virtlxc-ro.socket").ok()


def every_controller_has_a_delegated_scope_in_machine_slice() -> None:
    for name, init in (("db", "polite"), ("web", "polite"), ("hangs", "hangs")):
        define(name, f"/init.{init}")
        virtlxc("start", name).ok()
    wait_for("all to be up", lambda: {"db up", "web up", "hangs up"} <= set(log()))
    unit = scope("db")
    controller, init_pid = pids("db")
    assert unit == f"machine-lxc\\x2d{controller}\\x2ddb.scope"
    assert group(controller) == f"/machine.slice/{unit}/supervisor"
    assert group(init_pid) == f"/machine.slice/{unit}/payload/init"
    shown = show(unit, "Delegate", "Slice", "ActiveState", "Before", "TasksMax", "Transient")
    assert shown["Delegate"] == "yes" and shown["Slice"] == "machine.slice", shown
    assert shown["ActiveState"] == "active" and shown["TasksMax"] == "infinity", shown
    assert "virtlxc-guests.service" in shown["Before"].split(), shown
    if HAS_MEMORY:
        limit = Path(f"/sys/fs/cgroup/machine.slice/{unit}/payload/memory.max").read_text()
        assert limit == f"{64 << 20}\n"


def a_scope_that_exists_already_is_one_clear_error() -> None:
    """Every name that the next controllers could get is taken."""
    from virtlxc.host import dbus, systemd

    bus = dbus.Bus()
    others = [subprocess.Popen(["sleep", "1000"]) for _ in range(STALE)]
    try:
        last = int(Path("/proc/sys/kernel/ns_last_pid").read_text())
        for at, other in enumerate(others, 1):
            unit = systemd.scope_name("extra", str(last + at))
            systemd.start_scope(bus, unit, "machine.slice", other.pid, "stale")
        said = virtlxc("start", "extra")
        assert said.code == 1, said
        assert "x2dextra.scope: there is one already (systemctl stop" in said.err, said
        assert not Path(f"/run/virtlxc/{UUIDS['extra']}").exists()
    finally:
        for other in others:
            other.kill()
            other.wait()
        bus.close()
    wait_for("their end", lambda: "extra" not in run("systemctl", "list-units", "*.scope").out)
    virtlxc("start", "extra").ok()
    virtlxc("destroy", "extra").ok()


def machinectl_shows_what_runs() -> None:
    def listed() -> bool:
        found = run("machinectl", "list", "--no-legend").ok()
        return all(f"lxc-{pids(name)[0]}-{name} " in found for name in ("db", "web", "hangs"))

    wait_for("machinectl to list three", listed)
    controller, init = pids("db")
    shown = run("machinectl", "status", "--no-pager", f"lxc-{controller}-db").ok()
    assert f"Leader: {init}" in shown, shown
    assert scope("db").replace("\\x2d", "x2d") in shown.replace("\\x2d", "x2d"), shown
    assert "libvirt-lxc; class container" in shown, shown


def machinectl_follows_a_destroy() -> None:
    virtlxc("start", "extra").ok()
    name = f"lxc-{pids('extra')[0]}-extra"
    wait_for("the register", lambda: name in run("machinectl", "list").ok())
    run("machinectl", "terminate", name).ok()
    wait_for("its end", lambda: "extra" not in virtlxc("list", "--name").ok())
    wait_for("the register", lambda: name not in run("machinectl", "list").ok())
    assert not Path(f"/run/virtlxc/{UUIDS['extra']}").exists()


def _unchanged(act: Callable[[], object]) -> None:
    """Containers and their consoles are the same before and behind it."""
    before = {name: pids(name) for name in ("db", "web", "hangs")}
    act()
    assert {name: pids(name) for name in before} == before


def containers_outlive_a_restart_of_the_service() -> None:
    main = show("virtlxc.service", "MainPID")
    _unchanged(lambda: run("systemctl", "restart", "virtlxc.service").ok())
    assert show("virtlxc.service", "MainPID") != main
    answers("db", "restarted")
    assert sorted(virtlxc("list", "--name").ok().split()) == ["db", "hangs", "web"]


def containers_outlive_a_stop_of_the_service() -> None:
    _unchanged(lambda: run("systemctl", "stop", "virtlxc.service").ok())
    assert run("systemctl", "is-active", "virtlxc-guests.service").out == "active\n"
    _unchanged(lambda: run("systemctl", "start", "virtlxc.service").ok())
    answers("web", "started")


def containers_outlive_a_daemon_reload() -> None:
    _unchanged(lambda: run("systemctl", "daemon-reload").ok())
    answers("web", "reloaded")


def containers_outlive_an_upgrade() -> None:
    code = Path("/opt/virtlxc/virtlxc/__init__.py")
    text = code.read_text()
    code.write_text(re.sub(r'__version__ = ".*"', '__version__ = "99.0"', text))
    _unchanged(lambda: virtlxc("install-units").ok())
    from virtlxc.rpc.client import Connection

    connection = Connection("/run/virtlxc/virtlxc-sock")
    told = connection.call("VERSION", program="virtlxc")
    connection.abandon()
    assert told["version"] == "99.0", told
    # The controller is still that of the version before.
    answers("db", "upgraded")
    virtlxc("suspend", "db").ok()
    virtlxc("resume", "db").ok()


def polkit_decides_about_users() -> None:
    as_nobody = ("runuser", "-u", "nobody", "--", "virtlxc", "list", "--all")
    refused = run(*as_nobody)
    assert refused.code == 1, refused
    assert "no polkit agent available to authenticate action 'org.virtlxc.manage'" in refused.err
    rule = Path("/etc/polkit-1/rules.d/50-virtlxc.rules")
    rule.write_text(
        "polkit.addRule(function(action, subject) {\n"
        "    if (action.id == 'org.virtlxc.manage' && subject.user == 'nobody')\n"
        "        return polkit.Result.YES;\n"
        "});\n"
    )
    wait_for("polkit to read its rules", lambda: "db" in run(*as_nobody).out)


def without_dbus_a_start_works_and_says_so() -> None:
    run("systemctl", "stop", "dbus.socket", "dbus.service")
    try:
        virtlxc("start", "extra").ok()
        controller, _ = pids("extra")
        assert group(controller).startswith("/machine/lxc-"), group(controller)
        told = journal("-p", "warning", "-u", "virtlxc.service", "-n", "50")
        assert "systemd does not answer on D-Bus" in told, told
        assert "groups are made without systemd" in told, told
        _unchanged(lambda: answers("db", "alone"))
        virtlxc("destroy", "extra").ok()
    finally:
        run("systemctl", "start", "dbus.socket", "dbus.service").ok()

    def has_scope() -> bool:
        virtlxc("start", "extra").ok()
        found = group(pids("extra")[0]).startswith("/machine.slice/")
        virtlxc("destroy", "extra").ok()
        return found

    wait_for("scopes again", has_scope)


def without_machined_a_start_works_and_says_so() -> None:
    run("systemctl", "mask", "--runtime", "--now", "systemd-machined.service").ok()
    try:
        virtlxc("start", "extra").ok()
        assert group(pids("extra")[0]).startswith("/machine.slice/")
        wait_for(
            "a warning",
            lambda: (
                "systemd-machined does not register what runs"
                in journal("-p", "warning", "-u", "virtlxc.service", "-n", "50")
            ),
        )
        virtlxc("destroy", "extra").ok()
    finally:
        run("systemctl", "unmask", "--runtime", "systemd-machined.service").ok()


def the_watchdog_is_fed() -> None:
    def fed() -> bool:
        shown = show(
            "virtlxc.service", "WatchdogTimestampMonotonic", "ActiveEnterTimestampMonotonic"
        )
        begun = int(shown["ActiveEnterTimestampMonotonic"])
        return int(shown["WatchdogTimestampMonotonic"]) > begun + 20_000_000

    wait_for("a second sign of life", fed)
    assert show("virtlxc.service", "WatchdogUSec")["WatchdogUSec"] == "1min"


def nothing_failed() -> None:
    failed = run("systemctl", "--failed", "--no-legend", "--plain").ok()
    assert "virtlxc" not in failed and "machine" not in failed, failed


def _before_the_reboot() -> None:
    for name in ("db", "web"):
        virtlxc("autostart", name).ok()
    (KEPT / "log").write_text("")
    (KEPT / "asked").write_text(f"{time.time()}")
    run("systemctl", "--no-block", "reboot").ok()


# The second boot


def guests_had_ended_by_themselves_in_order() -> None:
    ended = [line for line in log() if line.endswith(" ended")]
    assert ended == ["web ended", "db ended"], log()


def the_one_that_hung_was_destroyed_at_the_bound() -> None:
    told = journal("-b", "-1", "-u", "virtlxc-guests.service", "-u", "virtlxc.service", "-n", "40")
    found = re.search(r"domain 'hangs' was destroyed: it did not end within (\d+) s", told)
    assert found and int(found[1]) <= SHUTDOWN_S, told
    assert "still running inside: init.hangs" in told, told
    assert "domain 'db' was destroyed" not in told, told
    began = float((KEPT / "asked").read_text())
    booted = time.time() - float(Path("/proc/uptime").read_text().split()[0])
    # All the rest of a shutdown and of a boot's beginning, emulated on a busy machine.
    assert booted - began < SHUTDOWN_S + 240, f"{booted - began:.0f} s"


def autostarted_ones_run_in_order() -> None:
    assert run("systemctl", "is-active", "virtlxc-guests.service").out == "active\n"
    assert sorted(virtlxc("list", "--name").ok().split()) == ["db", "web"]
    wait_for("both to be up", lambda: {"db up", "web up"} <= set(log()))
    begun = {
        name: int(Path(f"/proc/{pids(name)[0]}/stat").read_text().rpartition(") ")[2].split()[19])
        for name in ("db", "web")
    }
    assert begun["db"] < begun["web"], begun
    for name in ("db", "web"):
        assert group(pids(name)[0]).startswith("/machine.slice/machine-lxc")
    answers("db", "again")


def a_reboot_from_inside_keeps_scope_and_gives_machinectl_its_leader() -> None:
    controller, init = pids("db")
    answers("db", "reboot")
    wait_for("another init", lambda: status("db")["init"]["pid"] != init)
    assert pids("db")[0] == controller
    init = pids("db")[1]
    wait_for(
        "the leader",
        lambda: (
            f"Leader: {init}"
            in run("machinectl", "status", "--no-pager", f"lxc-{controller}-db").out
        ),
    )


def units_go_and_containers_stay() -> None:
    before = pids("web")
    said = virtlxc("remove-units").ok()
    assert "Removed /etc/systemd/system/virtlxc.service" in said, said
    assert pids("web") == before
    left = [str(path) for path in Path("/etc/systemd/system").rglob("virtlxc*")]
    assert not left, left
    assert run("systemctl", "is-active", "virtlxc-guests.service").out == "inactive\n"
    # A command starts the daemon by itself again; emulated, that may take longer than it waits.
    found = wait_for("an answer", lambda: virtlxc("list", "--name").out.split())
    assert sorted(found) == ["db", "web"], found
    daemon = int(Path("/run/virtlxc/daemon.lock").read_text())
    assert group(daemon) == "/virtlxc.daemon"
    answers("web", "last")


FIRST: tuple[Callable[[], None], ...] = (
    units_are_installed_and_run,
    controllers_that_systemd_does_not_delegate_are_one_clear_error,
    the_socket_starts_the_daemon,
    a_command_starts_the_daemon_by_systemctl_and_logging_out_ends_nothing,
    every_controller_has_a_delegated_scope_in_machine_slice,
    a_scope_that_exists_already_is_one_clear_error,
    machinectl_shows_what_runs,
    machinectl_follows_a_destroy,
    containers_outlive_a_restart_of_the_service,
    containers_outlive_a_stop_of_the_service,
    containers_outlive_a_daemon_reload,
    containers_outlive_an_upgrade,
    polkit_decides_about_users,
    without_dbus_a_start_works_and_says_so,
    without_machined_a_start_works_and_says_so,
    the_watchdog_is_fed,
    nothing_failed,
)
SECOND: tuple[Callable[[], None], ...] = (
    guests_had_ended_by_themselves_in_order,
    the_one_that_hung_was_destroyed_at_the_bound,
    autostarted_ones_run_in_order,
    a_reboot_from_inside_keeps_scope_and_gives_machinectl_its_leader,
    units_go_and_containers_stay,
)


def carry_out(checks: tuple[Callable[[], None], ...]) -> None:
    for check in checks:
        begin = time.monotonic()
        text = ""
        try:
            check()
        except Exception:
            text = traceback.format_exc()
        seconds = time.monotonic() - begin
        line = {"name": check.__name__, "problem": text, "seconds": round(seconds, 1)}
        with (RESULTS / "results").open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(f"{check.__name__}: {'failed' if text else 'passed'} [{seconds:.1f} s]", flush=True)


def _make_guests() -> None:
    KEPT.mkdir()
    for name, text in (("polite", POLITE), ("hangs", HANGS)):
        (GUEST / f"init.{name}").write_text(text)
        (GUEST / f"init.{name}").chmod(0o755)


def main() -> None:
    if sys.argv[1:]:
        _make_guests()
        carry_out(tuple(check for check in FIRST if check.__name__ in sys.argv))
        return
    uptime = Path("/proc/uptime").read_text().split()[0]
    print(f"up since {uptime} s", flush=True)
    if (KEPT / "asked").exists():
        carry_out(SECOND)
        run("systemctl", "--no-block", "poweroff").ok()
        return
    _make_guests()
    Path("/etc/virtlxc").mkdir()
    Path("/etc/virtlxc/virtlxc.toml").write_text(f"shutdown_timeout = {SHUTDOWN_S}\n")
    carry_out(FIRST)
    _before_the_reboot()


if __name__ == "__main__":
    main()
