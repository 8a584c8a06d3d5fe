"""polkit's own daemon decides who may use the read-write socket; it needs no systemd."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import peers
from tests.harness import CHECKOUT, Instance, wait_for
from tests.interop.conftest import tell_of_calls
from tests.interop.virsh import DOMAIN
from tests.namespaces import Result, plain_environment
from tests.terminal import Terminal
from virtlxc.images import passwords
from virtlxc.rpc.admission import WAITING_MAX

pytestmark = pytest.mark.interop

ALICE, BOB, POLKIT, GROUP = 1500, 1501, 997, 1600
# polkitd's folders and user are compiled in: it sees them on top of the host's own.
SET_UP = r"""
set -e
tree=$1 root=$2 policy=$3
mount -t tmpfs -o mode=755 scratch /mnt
mkdir /mnt/upper /mnt/work
mount -t overlay -o "lowerdir=$tree/usr:/usr" peer /usr
mount -t overlay -o "lowerdir=$tree/etc:/etc,upperdir=/mnt/upper,workdir=/mnt/work" peer /etc
mount -t tmpfs -o mode=755 peer /run
mount -t tmpfs -o mode=755 peer /usr/share/polkit-1/actions
mkdir -p /run/dbus /run/lock /var/lib/polkit-1
cp "$policy" /usr/share/polkit-1/actions
cat "$root/passwd" >>/etc/passwd
cat "$root/group" >>/etc/group
mkdir -p /etc/polkit-1/rules.d
chmod 755 /etc/polkit-1/rules.d
cp "$root/rules" /etc/polkit-1/rules.d/10-test.rules
# Who asks for a password has it checked by a program that is root.
cat "$root/shadow" >>/etc/shadow
cp "$root/pam" /etc/pam.d/polkit-1
cp /usr/lib/polkit-1/polkit-agent-helper-1 /mnt/helper
chmod 4755 /mnt/helper
mount --bind /mnt/helper /usr/lib/polkit-1/polkit-agent-helper-1
"""
TAKE_DOWN = """
umount /usr/lib/polkit-1/polkit-agent-helper-1 /usr/share/polkit-1/actions /run &&
umount -l /etc /usr /mnt
"""
PASSWD = f"""messagebus:x:998:998::/:/bin/false
polkitd:x:{POLKIT}:{POLKIT}::/:/bin/false
alice:x:{ALICE}:{ALICE}::/:/bin/sh
bob:x:{BOB}:{BOB}::/:/bin/sh
"""
GROUPS = f"messagebus:x:998:\npolkitd:x:{POLKIT}:\nvirtlxc:x:{GROUP}:\n"
RULES = """polkit.addRule(function(action, subject) {
    if (action.id == "org.virtlxc.manage" && subject.user == "alice") return polkit.Result.YES;
    if (action.id == "org.virtlxc.manage" && subject.user == "bob") return polkit.Result.AUTH_SELF;
});
"""
PASSWORD = "open, container"
PAM = "auth required pam_unix.so\naccount required pam_permit.so\n"
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_type="method_call"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/><allow send_type="signal"/>
    <allow receive_type="method_call"/><allow receive_type="method_return"/>
    <allow receive_type="error"/><allow receive_type="signal"/>
  </policy>
</busconfig>
"""


def has_owner(name: str) -> None:
    """Prints whether somebody on the bus has that name; for a process that sees the bus."""
    from jeepney.bus_messages import message_bus
    from jeepney.io.blocking import open_dbus_connection
    from jeepney.wrappers import unwrap_msg

    connection = open_dbus_connection("unix:path=/run/dbus/system_bus_socket")
    reply = connection.send_and_get_reply(message_bus.NameHasOwner(name), timeout=5)
    print(bool(unwrap_msg(reply)[0]))


class Asked:
    """An instance whose daemon asks polkit."""

    def __init__(self) -> None:
        self.instance = Instance(start=False)
        self.tree = peers.fetch("polkit")
        self._running: list[subprocess.Popen[bytes]] = []
        try:
            self._set_up()
        except BaseException:
            self.close()
            raise

    def _set_up(self) -> None:
        self.policy = CHECKOUT / "virtlxc/polkit/org.virtlxc.policy"
        field = passwords.hashed(PASSWORD)
        shadow = f"bob:{field}:20000:0:99999:7:::\n"
        files = {"passwd": PASSWD, "group": GROUPS, "rules": RULES, "bus": BUS, "pam": PAM}
        for name, text in (files | {"shadow": shadow}).items():
            self.instance.write(name, text)
        root = self.instance.root
        self.instance.run(
            "sh", "-c", SET_UP, "-", str(self.tree.root), str(root), str(self.policy)
        ).ok()
        bus = ["dbus-daemon", "--nofork", "--nopidfile", f"--config-file={root}/bus"]
        self._start(bus, "org.freedesktop.DBus")
        self.polkitd = self.start_polkit()
        tell_of_calls(self.instance)
        self.instance.start_daemon()

    def start_polkit(self) -> subprocess.Popen[bytes]:
        return self._start(["/usr/lib/polkit-1/polkitd"], "org.freedesktop.PolicyKit1")

    def _start(self, argv: list[str], name: str) -> subprocess.Popen[bytes]:
        """Starts a service, and waits until it has its name on the bus."""
        log = (self.instance.root / "services.log").open("ab")
        process = self.instance.spaces.popen(
            argv, env=self.tree.environment(), stdout=log, stderr=log
        )
        log.close()
        self._running.append(process)
        wait_for(name, lambda: self._is_there(name))
        return process

    def _is_there(self, name: str) -> bool:
        script = f"from tests.interop.test_polkit import has_owner; has_owner({name!r})"
        return self.instance.run(self.instance.argv()[0], "-c", script).stdout == "True\n"

    def virsh(self, user: int, *words: str) -> Result:
        uri = f"lxc+unix:///system?socket={self.instance.paths.socket}"
        argv = peers.virsh().argv("virsh", "-c", uri, *words)
        return self.instance.spaces.run(*argv, user=user, timeout=60)

    def close(self) -> None:
        for process in reversed(self._running):
            process.kill()
            process.wait()
        self.instance.stop_daemon()
        self.instance.run("sh", "-c", TAKE_DOWN)
        self.instance.close()


@pytest.fixture(scope="module")
def asked() -> Iterator[Asked]:
    made = Asked()
    try:
        yield made
    finally:
        made.close()


@pytest.mark.proves("AUTH_POLKIT")
def test_whom_polkit_lets_in(asked: Asked) -> None:
    root = asked.instance.busybox()
    file = asked.instance.write("d.xml", DOMAIN.format(name="hers", root=root, init="/sbin/init"))
    Path(file).chmod(0o644)
    asked.virsh(ALICE, "define", file).ok()
    assert "hers" in asked.instance.domains("--all")
    asked.instance.virtlxc("undefine", "hers", user=ALICE).ok()
    assert asked.instance.domains("--all") == []


def test_whom_polkit_would_ask_for_a_password(asked: Asked) -> None:
    failed = asked.virsh(BOB, "net-destroy", "default").failed()
    assert "no polkit agent available to authenticate action 'org.virtlxc.manage'" in failed
    failed = asked.instance.virtlxc("net-list", user=BOB).failed()
    assert "no polkit agent available to authenticate action 'org.virtlxc.manage'" in failed
    assert asked.instance.virtlxc("--readonly", "net-list", "--all", user=BOB).ok()
    told = [line for line in asked.instance.daemon_messages().splitlines() if "AUTH_POLKIT" in line]
    assert [line for line in told if f"uid={ALICE} " in line and line.endswith("result=ok")]
    assert [line for line in told if f"uid={BOB} " in line and "no polkit agent" in line]


# Without logind polkit passes over the agents that virsh starts itself ("fallback"): this is one
# that a person starts, for the process that then becomes virsh.
WITH_AGENT = 'pkttyagent --process $$ & read -r go; exec "$@"'


@pytest.mark.parametrize("right", [True, False])
def test_who_has_an_agent_is_asked_for_a_password(asked: Asked, right: bool) -> None:
    argv = ["setpriv", f"--reuid={BOB}", f"--regid={BOB}", "--clear-groups"]
    uri = f"lxc+unix:///system?socket={asked.instance.paths.socket}"
    virsh = peers.virsh().argv("virsh", "-c", uri, "net-list", "--all")
    terminal = Terminal(
        asked.instance.spaces,
        [*argv, "sh", "-c", WITH_AGENT, "-", *virsh],
        plain_environment(TERM="dumb", LC_ALL="C.UTF-8", LANG="C.UTF-8"),
    )
    log = asked.instance.root / "services.log"
    known = log.read_text().count("Registered Authentication Agent")
    try:
        wait_for(
            "polkit to know the agent",
            lambda: log.read_text().count("Registered Authentication Agent") > known,
        )
        terminal.type("\n")
        terminal.expect("Password:")
        assert "Whoever manages containers is as powerful as root" in terminal.text()
        wait_for("the terminal to hide what is typed", lambda: not terminal.echoes())
        terminal.type(f"{PASSWORD}\n" if right else "wrong\n")
        if right:
            terminal.expect("default   inactive")
        else:
            # virsh asks again, as often as it is answered so.
            terminal.expect("AUTHENTICATION FAILED")
            denied = "call=AUTH_POLKIT domain=- result=authentication failed: access denied"
            wait_for("the refusal", lambda: denied in asked.instance.daemon_messages())
    finally:
        terminal.close()


def test_the_group_is_not_asked(asked: Asked) -> None:
    argv = ["setpriv", f"--reuid={BOB}", f"--regid={GROUP}", "--clear-groups"]
    as_group = asked.instance.run(*argv, *asked.instance.argv("net-autostart", "default"))
    assert "marked as autostarted" in as_group.ok()
    argv = ["setpriv", f"--reuid={BOB}", f"--regid={BOB}", f"--groups={BOB},{GROUP}"]
    more = asked.instance.run(*argv, *asked.instance.argv("net-autostart", "default", "--disable"))
    assert "unmarked as autostarted" in more.ok()


GONE = """
import os, socket, sys, time
sys.path.insert(0, sys.argv[2])
made = socket.socket(socket.AF_UNIX)
made.connect(sys.argv[1])
if os.fork():
    os._exit(0)
time.sleep(0.2)
from virtlxc.rpc import wire
from virtlxc.rpc.tables import procedure
row = procedure("AUTH_POLKIT")
made.sendall(wire.packet(row.program, row.version, row.number, wire.CALL, 1, wire.OK, b""))
print(made.recv(4096).decode("latin-1"))
"""


def test_whose_process_has_ended_is_not_asked_for(asked: Asked) -> None:
    """Somebody else may have its pid by then, and the answer would be about him."""
    argv = [asked.instance.argv()[0], "-c", GONE, asked.instance.paths.socket, str(CHECKOUT)]
    found = asked.instance.spaces.run(*argv, user=ALICE, timeout=60)
    assert "which connected, is gone" in found.stdout


WAITING = """
import json, select, socket, sys
path, count, refused = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
found = []
for _ in range(count):
    found.append(socket.socket(socket.AF_UNIX))
    found[-1].connect(path)
ended = set()
while len(ended) < refused:
    ended |= {one for one in select.select(found, [], [])[0] if one.recv(1) == b""}
ended |= {one for one in select.select(found, [], [], 0.5)[0] if one.recv(1) == b""}
print(json.dumps([one in ended for one in found]), flush=True)
sys.stdin.read()
"""


def test_those_who_wait_keep_nobody_out(asked: Asked) -> None:
    argv = [asked.instance.argv()[0], "-c", WAITING, asked.instance.paths.socket]
    waiting = asked.instance.spaces.popen(
        [*argv, str(WAITING_MAX + 2), "2"], user=BOB, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert waiting.stdout is not None
        ended = json.loads(waiting.stdout.readline())
        assert ended == [False] * WAITING_MAX + [True] * 2
        assert asked.virsh(ALICE, "list").ok()
        assert asked.instance.virtlxc("list").ok()
    finally:
        waiting.communicate()
    # Whose waiting has ended may wait again.
    again = asked.instance.spaces.run(*argv, "1", "0", user=BOB)
    assert json.loads(again.ok()) == [False]


@pytest.mark.proves("AUTH_SASL_INIT", "AUTH_SASL_START", "AUTH_SASL_STEP", refused=True)
def test_no_sasl(asked: Asked) -> None:
    """What a client hears that insists on a password of libvirt's own kind."""
    script = (
        "import sys; from tests.unit.rpc_service import Raw; from virtlxc.rpc import wire\n"
        "raw = Raw(sys.argv[1])\n"
        "for name, fields in (('AUTH_LIST', {}), ('AUTH_SASL_INIT', {}),\n"
        "        ('AUTH_SASL_START', {'mech': 'PLAIN', 'data': ''}),\n"
        "        ('AUTH_SASL_STEP', {'data': ''}),\n"
        "        ('CONNECT_OPEN', {'name': None})):\n"
        "    head, payload = raw.call(name, **fields)\n"
        "    print(wire.ERROR_MESSAGE.decode(payload)[2] if head.status else list(payload))\n"
    )
    argv = [asked.instance.argv()[0], "-c", script, asked.instance.paths.socket]
    ran = asked.instance.spaces.run(*argv, user=BOB, env=asked.instance.environment())
    polkit = [0, 0, 0, 1, 0, 0, 0, 2]
    no_sasl = (
        "authentication failed: virtlxc offers no SASL (come by ssh, where users have their keys)"
    )
    assert ran.ok().splitlines() == [
        str(polkit),
        *[no_sasl] * 3,
        "authentication required",
    ]


def test_while_polkit_is_away(asked: Asked) -> None:
    asked.polkitd.kill()
    asked.polkitd.wait()
    begin = time.monotonic()
    failed = asked.instance.virtlxc("list", user=ALICE).failed()
    assert "authentication unavailable: polkit cannot be asked: " in failed
    assert time.monotonic() - begin < 30
    assert asked.instance.virtlxc("list").ok()
    asked.polkitd = asked.start_polkit()
    assert asked.instance.virtlxc("list", user=ALICE).ok()
