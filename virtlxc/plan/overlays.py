"""Overlays over what is mounted for a guest: the source is only read.

Source: Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

from virtlxc.model.container import RAM
from virtlxc.plan import inside
from virtlxc.plan.scene import Scene
from virtlxc.plan.steps import Step

#: An overlay notes on a folder that another one is below it; in a user namespace it may use
#: attributes of users only, which tmpfs has since then.
_USER_ATTRIBUTES_OF_TMPFS = (6, 6)
KEEPS_FOLDERS = (
    "a folder below overlay='ram' can be neither removed nor renamed on this host, a container with"
    " a kernel older than 6.6 (below an overlay to a folder it can: overlay='/some/where')"
)


def keeps_folders(scene: Scene) -> bool:
    """Whether an overlay of the domain cannot forget folders that are below it."""
    return (
        scene.host.user_namespace
        and scene.host.kernel_version < _USER_ATTRIBUTES_OF_TMPFS
        and any(extra.overlay == RAM for extra in scene.domain.container.filesystems)
    )


def lay(scene: Scene, key: str, target: str, overlay: str) -> Step:
    """An overlay over the tree ``key``; ``overlay`` is where changes go, "ram" or a folder."""
    changes = None if overlay == RAM else overlay
    return Step(
        name=f"lay an overlay over {target}",
        side="controller",
        op="overlay",
        args={"key": key, "changes": changes}
        | ({"unprivileged": True} if scene.host.user_namespace else {}),
        text=f"what is written goes to {changes}" if changes else "what is written is forgotten",
        boot=True,
        kernel=f"the mount is {inside.FREED}; {changes} is to stay" if changes else inside.FREED,
    )
