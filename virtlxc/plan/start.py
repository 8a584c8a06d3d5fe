"""From a domain and the facts to the steps of its start.

:func:`steps` is the order of a start; the files beside this one know one subject each.
"""

from __future__ import annotations

from collections.abc import Iterator

from virtlxc.host.facts import HostFacts, StartFacts
from virtlxc.model import Domain
from virtlxc.plan import (
    cgroups,
    checks,
    consoles,
    devices,
    hostroot,
    images,
    mounts,
    namespaces,
    network,
    proc,
    process,
    quotas,
)
from virtlxc.plan.scene import Scene, StartOptions
from virtlxc.plan.steps import Plan, Step


def plan_start(domain: Domain, host: HostFacts, start: StartFacts, options: StartOptions) -> Plan:
    """The plan of a start. Pure.

    Raises VirtlxcError CONFIG_UNSUPPORTED with one message that names the domain, the step, the
    cause and the mend, when the host lacks something or the domain asks for what cannot be.
    """
    scene = Scene(domain, host, start, options)
    warnings = checks.check(scene)
    return Plan(
        name=domain.name,
        uuid=domain.uuid,
        run=options.run,
        log=options.log,
        log_bytes=options.log_bytes,
        log_files=options.log_files,
        title=process.title(scene),
        consoles=scene.consoles,
        on_poweroff=domain.on_poweroff,
        on_reboot=domain.on_reboot,
        leaf=scene.leaf,
        born=cgroups.born(scene),
        v1=cgroups.v1_groups(scene),
        links=network.links(scene),
        fds=tuple(process.fd_keys(scene)),
        init_path=start.init.path,
        init_kind=start.init.kind,
        warnings=warnings,
        steps=tuple(steps(scene)),
    )


def steps(scene: Scene) -> Iterator[Step]:
    yield from process.folders(scene)
    yield from cgroups.birthplace(scene)
    yield from _once(scene)
    yield from _detached(scene)
    yield from _groups(scene)
    yield process.stage(scene)
    if namespaces.joins_before_user(scene):
        yield from _step_by_step(scene)
    else:
        yield from _born_in_namespaces(scene)
    yield namespaces.make_cgroup(scene)
    yield process.init(scene)
    yield from _mounts(scene)
    if not namespaces.joins_before_user(scene):
        yield from _link(scene)
    yield from _inside(scene)
    if scene.options.paused:
        yield process.await_program()
        yield cgroups.freeze(scene)
        yield process.let_go()


def _once(scene: Scene) -> Iterator[Step]:
    """What outlives a reboot from inside."""
    yield from process.controller(scene)
    yield from images.attach(scene)
    yield from quotas.limit(scene)
    yield from namespaces.open_shared(scene)


def _detached(scene: Scene) -> Iterator[Step]:
    """What init inherits by the fork: mounts that nobody sees yet."""
    yield from hostroot.sources(scene)
    yield from mounts.sources(scene)
    yield from mounts.foreign_sysfs(scene, "controller")
    yield from devices.make(scene)
    yield from consoles.make(scene)
    yield from mounts.systemd_run(scene)
    yield from proc.sources(scene)


def _groups(scene: Scene) -> Iterator[Step]:
    """What all needs the controller's own group for, which systemd may still be making."""
    if scene.options.leaf is not None:
        yield process.await_scope()
    yield from cgroups.make(scene)
    yield from cgroups.limit(scene)
    yield from cgroups.make_v1_view(scene)
    yield from cgroups.delegate(scene)
    yield cgroups.clear(scene)
    yield from cgroups.open_v1(scene)


def _born_in_namespaces(scene: Scene) -> Iterator[Step]:
    """The quick way: one clone makes all namespaces but cgroup, which wants it in its groups."""
    if scene.userns:
        yield from _map(scene)
    yield from cgroups.enter_v1(scene)
    yield from namespaces.join_shared(scene)
    if scene.userns:
        yield namespaces.become_root(scene)
    yield from process.personality(scene)


def _step_by_step(scene: Scene) -> Iterator[Step]:
    """Namespaces of others are joined before user is made, and user is made before all others."""
    yield from cgroups.enter_v1(scene)
    yield from namespaces.join_shared(scene)
    yield from mounts.foreign_sysfs(scene, "stage")
    yield namespaces.make_user(scene)
    yield from _map(scene)
    yield namespaces.become_root(scene)
    yield namespaces.make_own(scene)
    yield from _link(scene)
    yield from process.personality(scene)


def _map(scene: Scene) -> Iterator[Step]:
    yield namespaces.map_ids(scene)
    yield namespaces.open_user(scene)
    yield from mounts.translate(scene)


def _link(scene: Scene) -> Iterator[Step]:
    if scene.own_net:
        yield namespaces.open_net(scene)
    yield from network.make(scene)


def _mounts(scene: Scene) -> Iterator[Step]:
    """Init, from its first instruction to its own root.

    The controller makes the links meanwhile, see ``runtime.perform``: they come next.
    """
    yield mounts.private(scene)
    yield mounts.attach_root(scene)
    yield from hostroot.attach(scene)
    yield from mounts.kernel(scene)
    yield from cgroups.mount_view(scene)
    yield from devices.attach(scene)
    yield from consoles.attach(scene)
    yield from mounts.attach_run(scene)
    yield from proc.uncovered(scene)
    yield from proc.attach(scene)
    yield from hostroot.cover(scene)
    yield from process.sysctls(scene)
    yield from mounts.protect_kernel(scene)
    yield from mounts.additions(scene)
    yield from hostroot.close(scene)
    yield mounts.pivot(scene)
    yield from mounts.lock_kernel(scene)


def _inside(scene: Scene) -> Iterator[Step]:
    """Init, from its own root to the guest's program."""
    yield from network.configure(scene)
    yield from process.identity(scene)
    yield from process.rights(scene)
    if scene.options.paused:
        yield process.watch()
    yield from process.execute(scene)
