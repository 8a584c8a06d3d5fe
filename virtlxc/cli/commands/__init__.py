"""The table of commands: one row a command, one file a subject, found by name here.

A file is loaded when one of its commands is asked for: a plain command must not pay for the
others. A test compares this index with the files.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.cli.grammar import Command

# title, keyword for help, names of commands by file
GROUPS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    ("Domain Management", "domain", (
        ("lifecycle", "autostart create destroy reboot resume set-lifecycle-action shutdown start"
                      " suspend"),
        ("definition", "define undefine dumpxml domrename domxml-from-native domxml-to-native"),
        ("texts", "desc edit metadata"),
        ("identity", "domid domname domuuid domhostname"),
        ("consoles", "console ttyconsole"),
        ("limits", "blkiotune memtune schedinfo setmaxmem setmem"),
        ("processors", "cpu-stats vcpucount"),
        ("pinning", "emulatorpin numatune setvcpus vcpuinfo vcpupin"),
        ("devices", "attach-device detach-device detach-device-alias update-device"),
        ("cards", "attach-interface detach-interface domif-setlink domiftune"),
        ("disks", "attach-disk blockresize detach-disk"),
        ("guests", "domfsinfo domjobinfo guestinfo"),
        ("absent", "domdisplay"),
        ("processes", "lxc-enter-namespace send-process-signal"),
    )),
    ("Domain Monitoring", "monitor", (
        ("disks", "domblkinfo domblkstat"),
        ("absent", "domblkerror"),
        ("guests", "domtime"),
        ("listing", "list"),
        ("information", "domblklist domcontrol dominfo dommemstat domstate domstats"),
        ("interfaces", "domif-getlink domifaddr domiflist domifstat"),
    )),
    ("Domain Events", "events", (("events", "event"),)),
    ("Host and Hypervisor", "host", (
        ("host", "capabilities domcapabilities freecell hostname maxvcpus nodecpumap nodecpustats"
                 " nodeinfo nodememstats sysinfo uri version"),
        ("hostpages", "allocpages freepages node-memory-tune nodesuspend"),
    )),
    ("Interface", "interface", (
        ("ifaces", "iface-begin iface-commit iface-define iface-destroy iface-dumpxml iface-edit"
                   " iface-list iface-mac iface-name iface-rollback iface-start iface-undefine"),
    )),
    ("Network Filter", "filter", (("absent", "nwfilter-binding-list nwfilter-list"),)),
    ("Networking", "network", (
        ("networks", "net-autostart net-create net-define net-destroy net-dhcp-leases net-dumpxml"
                     " net-edit net-event net-info net-list net-name net-start net-undefine"
                     " net-uuid"),
        ("network_changes", "net-port-dumpxml net-port-list net-update"),
    )),
    ("Node Device", "nodedev", (
        ("nodedevs", "nodedev-autostart nodedev-create nodedev-define nodedev-destroy"
                     " nodedev-detach nodedev-dumpxml nodedev-event nodedev-info nodedev-list"
                     " nodedev-reattach nodedev-reset nodedev-start nodedev-undefine"),
    )),
    ("Secret", "secret", (("absent", "secret-list"),)),
    ("Storage Pool", "pool", (
        ("pools", "pool-autostart pool-build pool-capabilities pool-create pool-define"
                  " pool-delete pool-destroy pool-dumpxml pool-edit pool-event pool-info"
                  " pool-list pool-name pool-refresh pool-start pool-undefine pool-uuid"),
        ("pool_changes", "find-storage-pool-sources find-storage-pool-sources-as"
                         " pool-create-as pool-define-as"),
    )),
    ("Storage Volume", "volume", (
        ("volumes", "vol-dumpxml vol-info vol-key vol-list vol-name vol-path vol-pool"),
        ("volume_changes", "vol-clone vol-create vol-create-as vol-create-from vol-delete"
                           " vol-download vol-resize vol-upload vol-wipe"),
    )),
    ("Containers", "container", (
        ("images", "delete new"),
        ("inside", "exec logs"),
        ("checks", "host-validate plan validate"),
        ("own_limits", "limits"),
        ("service", "daemon"),
    )),
    ("Inventories", "inventory", (("inventory", "apply check diff export import"),)),
    ("Virtlxc itself", "virtlxc", (
        ("shell", "cd connect echo exit help pwd quit"),
        ("units", "guests-start guests-stop install-units remove-units"),
    )),
)  # fmt: skip

# Not for people: completion scripts call them, and commands on other hosts through ssh.
HIDDEN = {"complete": "completion", "socket-relay": "service"}


def module_of(name: str) -> str:
    """The file a command stands in, "" when there is no such command."""
    for _title, _keyword, files in GROUPS:
        for module, names in files:
            if name in names.split():
                return module
    return HIDDEN.get(name, "")


def find(name: str) -> Command | None:
    module = module_of(name)
    return load(module)[name] if module else None


def load(module: str) -> dict[str, Command]:
    """The commands of one file."""
    found = __import__(f"{__name__}.{module}", fromlist=("COMMANDS",))
    commands: dict[str, Command] = found.COMMANDS
    return commands


def names() -> list[str]:
    """Every command that help shows, in its order."""
    return [name for _title, _keyword, files in GROUPS for name in names_of(files)]


def names_of(files: tuple[tuple[str, str], ...]) -> list[str]:
    """The commands of one group."""
    return sorted(name for _module, names in files for name in names.split())
