"""The processes of a start: what the daemon prepares, controller, stage, and init itself."""

from __future__ import annotations

from collections.abc import Iterator
from string import ascii_letters, digits

from virtlxc.host.security import capabilities
from virtlxc.plan import hostroot, inside, namespaces
from virtlxc.plan.scene import Scene
from virtlxc.plan.steps import Args, Step, Undo

_PROCESS = "concerns the process only"

# The 32-bit twins whose uname(2) says so: libvirt's arch names.
_LINUX32 = frozenset(
    {"i686", "i586", "i486", "i386", "ppc", "s390", "sparc", "mips", "mipsel", "parisc", "armv7l"}
)


def title(scene: Scene) -> str:
    """Pacemaker's agent for libvirt domains looks for ``libvirt_lxc.*-name NAME ``."""
    return f"libvirt_lxc --name {scene.domain.name} --uuid {scene.domain.uuid}"


def folders(scene: Scene) -> Iterator[Step]:
    run, log = scene.options.run, scene.options.log.rpartition("/")[0]
    yield Step(
        name="make the folder of live state",
        side="daemon",
        op="mkdir",
        args={"path": run, "mode": 0o700},
        text="socket, journal and, at the end, exit.json",
        undo=Undo(op="rmdir", args={"path": run}),
    )
    yield Step(
        name="make the folder of logs",
        side="daemon",
        op="mkdir",
        args={"path": log, "mode": 0o700},
        text="unless it is there",
        kernel="the log outlives the domain",
    )


def controller(scene: Scene) -> Iterator[Step]:
    run = scene.options.run
    yield Step(
        name="write the journal",
        side="controller",
        op="journal",
        args={"path": f"{run}/journal"},
        text="every undo below, so that the daemon can perform them if the controller dies",
        kernel="removes itself once all is undone",
    )
    yield Step(
        name="set the title",
        side="controller",
        op="title",
        args={"text": title(scene)},
        text="the controller's command line, as monitors of libvirt's driver know it",
        kernel=_PROCESS,
    )
    yield Step(
        name="listen",
        side="controller",
        op="listen",
        args={"path": f"{run}/sock"},
        text="the controller's socket: consoles, state, events",
        undo=Undo(op="unlink", args={"path": f"{run}/sock"}),
    )


def stage(scene: Scene) -> Step:
    kinds = namespaces.at_birth(scene)
    return Step(
        name="fork the stage",
        side="controller",
        op="fork-stage",
        args={
            "namespaces": kinds,
            "cgroup": scene.guest_group.to_json(),
            **(namespaces.owner(scene) if "user" in kinds else {}),
        },
        text="the process that becomes init, born in the container's group"
        + (f", with namespaces of its own: {', '.join(kinds)}" if kinds else "")
        + (namespaces.owner_text(scene) if "user" in kinds else ""),
        boot=True,
        # No undo: a kill would also be part of a reboot, and the kernel kills whatever is cloned
        # into a group that was killed once.
        kernel="the plan's kill ends everything in the payload",
    )


def personality(scene: Scene) -> Iterator[Step]:
    if scene.domain.os.arch in _LINUX32 and scene.domain.os.arch != scene.host.arch:
        yield Step(
            name="set the personality",
            side="stage",
            op="personality",
            args={"domain": "linux32"},
            text=f"uname says a 32-bit machine ({scene.domain.os.arch})",
            boot=True,
            kernel=_PROCESS,
        )


def init(scene: Scene) -> Step:
    forks = namespaces.joins_before_user(scene)
    return Step(
        name="fork init" if forks else "go on as init",
        side="stage",
        op="fork-init",
        args={},
        text="first process of the pid namespace"
        + ("; the stage ends, the controller inherits it" if forks else " already"),
        boot=True,
        kernel="the group's kill ends it",
    )


_HOST_NAME_CHARS = frozenset(ascii_letters + digits + "-")


def host_name(name: str) -> str:
    """libvirt's filter: letters, digits and dashes of the domain's name, no dash in front."""
    return "".join(char for char in name if char in _HOST_NAME_CHARS).removeprefix("-")[:64]


def identity(scene: Scene) -> Iterator[Step]:
    name = host_name(scene.domain.name)
    if name and "uts" not in scene.shares:
        yield _init("set the host name", "hostname", {"name": name}, name)


def sysctls(scene: Scene) -> Iterator[Step]:
    """Before /proc/sys becomes read-only; ``checks`` lets none of the host's through."""
    for row in scene.domain.container.sysctls:
        args = {"key": row.name.replace(".", "/"), "value": row.value}
        yield _init(f"set {row.name}", "sysctl", args, row.value, "goes with the namespace")


# As on a machine, its console gets its session from the shell or getty that it starts there. A
# terminal that is init's already can be taken over by the host's root alone: no job control, and
# Ctrl and C is a SIGINT for init, which many an inittab takes for a reboot. systemd lets go of it
# by itself, sysvinit takes it, and any other init may be a program that people talk to.
_LEAVES_THE_TERMINAL = frozenset({"busybox"})


def rights(scene: Scene) -> Iterator[Step]:
    """The last steps before the guest's own program, from a process that can do everything."""
    domain = scene.domain
    yield _init("join a new keyring", "keyring", {}, "a session keyring of its own, not the host's")
    args: dict[str, object] = {"path": "/dev/console", "user": domain.os.inituser}
    text = "new session, controlling terminal, standard input, output and error"
    if scene.start.init.kind in _LEAVES_THE_TERMINAL:
        args["controlling"] = False
        text = "new session, standard input, output and error; the terminal is for a login to take"
    yield _init("open the console", "console", args, text)
    kept = kept_capabilities(scene)
    dropped = [name for name in capabilities.NAMES if name not in kept]
    yield _init(
        "drop capabilities",
        "caps",
        {"keep": list(capabilities.numbers(kept))},
        "without " + (", ".join(dropped) or "any loss"),
    )
    yield from _rlimits(scene)  # a limit can be raised by root alone
    if domain.os.inituser or domain.os.initgroup:
        user = {"user": domain.os.inituser, "group": domain.os.initgroup}
        yield _init("become the init's user", "credentials", user, f"{user['user'] or 'root'}")


def _rlimits(scene: Scene) -> Iterator[Step]:
    for limit in scene.domain.container.rlimits:
        args = {"name": limit.name, "soft": _number(limit.soft), "hard": _number(limit.hard)}
        text = f"soft {limit.soft or 'as it is'}, hard {limit.hard or 'as it is'}"
        yield _init(f"limit {limit.name}", "rlimit", args, text)


def _number(limit: str | None) -> int | None:
    """-1 is RLIM_INFINITY."""
    return None if limit is None else -1 if limit == "unlimited" else int(limit)


def kept_capabilities(scene: Scene) -> tuple[str, ...]:
    features = scene.domain.features
    return capabilities.bounding_set(
        features.cap_policy,
        features.caps,
        shares_host_network=scene.host_net,
        shares_host_root=hostroot.applies(scene),
        user_namespace=scene.userns,
    )


def environment(scene: Scene) -> dict[str, str]:
    """What libvirt's driver gives to init; the domain's own entries win."""
    domain = scene.domain
    env = {
        "PATH": "/bin:/sbin",
        "TERM": "linux",
        "container": "lxc-libvirt",
        "HOME": "/",
        "container_uuid": domain.uuid,
        "LIBVIRT_LXC_UUID": domain.uuid,
        "LIBVIRT_LXC_NAME": domain.name,
    }
    if scene.consoles > 1:
        # The first is /dev/console; systemd starts a login on each of these.
        env["container_ttys"] = " ".join(f"pts/{n}" for n in range(1, scene.consoles))
    if domain.os.cmdline:
        env["LIBVIRT_LXC_CMDLINE"] = domain.os.cmdline
    return env | dict(domain.os.initenv)


def execute(scene: Scene) -> Iterator[Step]:
    domain = scene.domain
    if domain.os.initdir:
        yield _init(
            "enter the working directory", "chdir", {"path": domain.os.initdir}, domain.os.initdir
        )
    argv = [scene.start.init.path, *domain.os.initargs, *_for_systemd(scene)]
    args = {
        "argv": argv,
        "env": [[name, value] for name, value in environment(scene).items()],
        "keep": fd_keys(scene),
    }
    yield _init("execute init", "exec", args, " ".join(argv), "ends with its pid namespace")


def watch() -> Step:
    """The first of the steps of ``start --paused``; a reboot from inside is not paused."""
    return Step(
        name="watch init",
        side="controller",
        op="trace",
        args={},
        text="its program is to stop before the first instruction (ptrace)",
        kernel="init is killed if its watcher ends",
    )


def await_scope() -> Step:
    return Step(
        name="await its scope",
        side="controller",
        op="await-scope",
        args={},
        text="systemd makes it meanwhile, and puts the controller into it",
        kernel=_PROCESS,
    )


def await_program() -> Step:
    return Step(
        name="await init's program",
        side="controller",
        op="trace-await",
        args={},
        text="it has been executed, and nothing of it has run",
        kernel=_PROCESS,
    )


def let_go() -> Step:
    return Step(
        name="let init go",
        side="controller",
        op="trace-end",
        args={},
        text="out of its execution and into the freezer",
        kernel=_PROCESS,
    )


# What systemd takes for the kernel's command line in a container is the one of its first process.
# Debian's journald forwards by itself, most others do not.
_FORWARD = "systemd.journald.forward_to_syslog"


def _for_systemd(scene: Scene) -> list[str]:
    said = any(word.split("=")[0] == _FORWARD for word in scene.domain.os.initargs)
    return [f"{_FORWARD}=1"] if scene.systemd_guest and not said else []


def fd_keys(scene: Scene) -> list[str]:
    """The names of the descriptors that init inherits, from number 3 on."""
    return [f"fd{n}" for n in range(scene.options.fds)]


def _init(name: str, op: str, args: Args, text: str, kernel: str = _PROCESS) -> Step:
    return inside.step(name, op, args, text, kernel)
