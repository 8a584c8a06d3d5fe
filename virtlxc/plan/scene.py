"""All that the planners of one start look at, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from virtlxc.errors import Code, VirtlxcError
from virtlxc.host.cgroup import layout
from virtlxc.host.facts import HostFacts, StartFacts
from virtlxc.host.security.idmap import Range, holds, to_host
from virtlxc.model import Domain, IdRange
from virtlxc.plan.steps import CONTROLLER, Group

TTY_GID = 5  # the group "tty" in every distribution, and in libvirt's driver


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """What the caller of a start decides.

    ``run`` is the domain's folder of live state and ``log`` its log file. ``instance`` is the tag
    of :attr:`virtlxc.paths.Paths.instance`. ``ignore`` names protecting elements that may go
    without effect. ``leaf`` is the group that somebody else (systemd) made for the controller, a
    path that may contain its pid's placeholder; None means that the plan makes it. ``fds`` counts
    the descriptors that init inherits.
    """

    run: str
    log: str
    instance: str = ""
    ignore: frozenset[str] = frozenset()
    require_idmap: bool = False
    paused: bool = False
    leaf: str | None = None
    fds: int = 0
    log_bytes: int = 2 << 20
    log_files: int = 3


@dataclass(frozen=True)
class Scene:
    """Domain, facts and options of one start."""

    domain: Domain
    host: HostFacts
    start: StartFacts
    options: StartOptions
    purpose: str = "start"

    def refuse(
        self, step: str, cause: str, mend: str = "", code: int = Code.CONFIG_UNSUPPORTED
    ) -> VirtlxcError:
        """The error of a start that cannot be: object, step, cause and, if known, the mend.

        ``purpose`` is "start", or what else the plan is for ("change").
        """
        behind = f" ({mend})" if mend else ""
        return VirtlxcError(
            f"cannot {self.purpose} domain '{self.domain.name}': {step}: {cause}{behind}",
            code,
        )

    @cached_property
    def uids(self) -> tuple[Range, ...]:
        """The map of users; empty without a user namespace."""
        return _ranges(self.domain.idmap.uids if self.domain.idmap else ())

    @cached_property
    def gids(self) -> tuple[Range, ...]:
        """The map of groups; empty without a user namespace."""
        return _ranges(self.domain.idmap.gids if self.domain.idmap else ())

    @property
    def userns(self) -> bool:
        return bool(self.uids)

    @property
    def root_uid(self) -> int:
        """The host's id of the container's root."""
        return to_host(self.uids, 0) or 0

    @property
    def root_gid(self) -> int:
        return to_host(self.gids, 0) or 0

    @property
    def tty_gid(self) -> int:
        """The host's id of the container's group tty; root's group when it is not mapped."""
        if not self.userns:
            return TTY_GID if holds(self.host.gids, TTY_GID) else 0
        mapped = to_host(self.gids, TTY_GID)
        return self.root_gid if mapped is None else mapped

    @property
    def shares(self) -> Mapping[str, str]:
        """The namespaces taken from others: kind (net, ipc, uts) to what the domain says."""
        return {share.kind: f"{share.type} {share.value}" for share in self.domain.shares}

    @property
    def own_net(self) -> bool:
        """A network namespace made for this container."""
        return self.domain.needs_netns and "net" not in self.shares

    @property
    def host_net(self) -> bool:
        """The container is on the host's network."""
        return not self.domain.needs_netns and "net" not in self.shares

    @property
    def consoles(self) -> int:
        """At least one: output without a terminal would be lost."""
        return max(len(self.domain.consoles), 1)

    @cached_property
    def leaf_path(self) -> str:
        return self.options.leaf or layout.leaf(
            self.domain.name,
            CONTROLLER,
            partition=self.domain.partition,
            instance=self.options.instance,
        )

    @property
    def leaf(self) -> Group:
        return Group(mount=self.host.cgroup.mount, path=self.leaf_path)

    @property
    def payload(self) -> Group:
        return self.leaf.below(layout.PAYLOAD)

    @property
    def guest_group(self) -> Group:
        """The root of the container's cgroup namespace."""
        return self.leaf.below(layout.INIT)

    @property
    def systemd_guest(self) -> bool:
        return self.start.init.kind == "systemd"


def _ranges(lines: tuple[IdRange, ...]) -> tuple[Range, ...]:
    return tuple(Range(line.start, line.target, line.count) for line in lines)
