"""The operations a plan is made of: one function each, one table.

A step names an operation and its arguments (JSON values, passed as keywords). The docstring of the
function is the authority on its arguments. All ``key`` arguments name descriptors in the table of
the process that performs the step; processes forked later inherit the table.

Paths called ``target``, and paths next to a ``key``, are inside a tree and are resolved by openat2
with RESOLVE_IN_ROOT: "/etc" is the guest's, whatever links lie there. With ``nosymlinks`` a
symbolic link anywhere on the way is refused. Other paths are the host's.

``create`` is null, "dir" or "file": what to make at a target that is not there (parents always as
directories). Attributes of mounts are lists of the names ro nosuid nodev noexec noatime
nodiratime relatime strictatime nosymfollow.

The fields of a plan itself that the runtime reads: ``proto``, ``domain`` {name, uuid}, ``run``
(folder, exists), ``log``, ``log_bytes`` (size at which the log is rotated, default 2 MiB) and
``log_files`` (how many are kept, default 3), ``fds`` (keys for the descriptors passed along with
the plan, in order), ``on_reboot`` ("restart" replays the boot half, all others end the domain),
``kill`` {mount, path} (the cgroup2 whose cgroup.kill ends every process of the domain; null when
there is none), ``born`` {mount, path} (the cgroup2 the controller is born in: made by steps of the
daemon; null: where the spawner is), ``steps``. The client chooses the controller's pid when there
is a ``born``, so that steps of the daemon may have its placeholder. ``go`` true: nothing is waited
for between its introduction and its first step; else the daemon says go.

Rules on steps: those of the daemon come first; no step of the stage follows ``fork-init``; ``exec``
is the last step of all that belongs to init (steps of the controller may follow: they see a running
init, or one that stands at its first instruction if it is traced). ``undo`` may have
``"late": true``: it is left in the journal, for the daemon to perform when the controller has left
(the cgroup the controller itself is in).
"""

from __future__ import annotations

from . import (
    cgroups,
    changes,
    files,
    identity,
    images,
    inside,
    layers,
    links,
    locks,
    loops,
    mounts,
    nics,
    ports,
    process,
    quotas,
    tracing,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

OPS: dict[str, Callable[..., None]] = {
    "mkdir": files.mkdir,
    "rmdir": files.rmdir,
    "write": files.write,
    "unlink": files.unlink,
    "symlink": files.symlink,
    "open": files.open_file,
    "close": files.close,
    "chown": files.chown,
    "listen": process.listen,
    "log-socket": process.log_socket,
    "journal": process.journal,
    "await-scope": process.await_scope,
    "title": process.title,
    "fork-stage": process.fork_stage,
    "fork-init": process.fork_init,
    "trace": tracing.trace,
    "trace-await": tracing.await_exec,
    "trace-end": tracing.end,
    "id-map": process.id_map,
    "open-ns": process.open_ns,
    "join-ns": process.join_ns,
    "unshare": process.unshare,
    "become-root": process.become_root,
    "personality": process.personality,
    "cgroup-mkdir": cgroups.mkdir,
    "cgroup-rmdir": cgroups.rmdir,
    "cgroup-clear": cgroups.clear,
    "cgroup-kill": cgroups.kill,
    "cgroup-write": cgroups.write,
    "cgroup-inherit": cgroups.inherit,
    "cgroup-enable": cgroups.enable,
    "cgroup-chown": cgroups.chown,
    "cgroup-attach": cgroups.attach,
    "cgroup-open": cgroups.open_tasks,
    "cgroup-enter": cgroups.enter,
    "bpf-device": cgroups.bpf_device,
    "open-tree": mounts.open_tree,
    "mount-attr": mounts.mount_attr,
    "lock-tree": locks.lock_tree,
    "lock-inside": locks.lock_inside,
    "new-mount": mounts.new_mount,
    "shift-tree": layers.shift_tree,
    "overlay": layers.overlay,
    "screen-tree": layers.screen_tree,
    "quota": quotas.limit,
    "quota-lift": quotas.lift,
    "image-serve": images.serve,
    "image-close": images.close,
    "loop-attach": loops.attach,
    "loop-open": loops.open_attached,
    "loop-clear": loops.clear,
    "node": mounts.node,
    "ptys": mounts.ptys,
    "link-veth": links.veth,
    "link-aside": links.aside,
    "link-delete": links.delete,
    "link-vlan": ports.vlan,
    "ovs-port": ports.attach,
    "ovs-port-away": ports.away,
    "link-macvlan": nics.macvlan,
    "link-readdress": nics.readdress,
    "link-lend": nics.lend,
    "link-return": nics.give_back,
    "link-rate": nics.rate,
    "pin-ns": nics.pin,
    "unpin-ns": nics.unpin,
    "link-up": links.up,
    "lo-up": links.lo_up,
    "address": links.address,
    "route": links.route,
    "link-remove": changes.link_remove,
    "link-set": changes.link_set,
    "open-guest": changes.open_guest,
    "remove-node": changes.remove_node,
    "detach": changes.detach,
    "private-mounts": inside.private_mounts,
    "attach-root": inside.attach_root,
    "attach": inside.attach,
    "mount": inside.mount,
    "bind-inside": inside.bind_inside,
    "remount": inside.remount,
    "mask": inside.mask,
    "pivot": inside.pivot,
    "sysctl": inside.sysctl,
    "hostname": identity.hostname,
    "console": identity.console,
    "rlimit": identity.rlimit,
    "keyring": identity.keyring,
    "caps": identity.caps,
    "credentials": identity.credentials,
    "no-new-privs": identity.no_new_privs,
    "chdir": identity.chdir,
    "exec": identity.execute,
}
