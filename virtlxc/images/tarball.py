"""The template ``tarball``: a root file system that somebody else packed."""

from __future__ import annotations

import stat

from virtlxc.errors import Code, VirtlxcError
from virtlxc.images import archive, passwords
from virtlxc.images.definitions import definition, host_name
from virtlxc.images.identity import Identity, has_systemd, put
from virtlxc.images.template import Request
from virtlxc.images.tree import Tree
from virtlxc.model import Domain

MEMORY = 512 * 1024  # KiB
# The first that is there is what a kernel would boot.
INITS = ("/sbin/init", "/etc/init", "/bin/init", "/bin/sh")


class Tarball:
    """See the module."""

    name = "tarball"
    title = "a root file system from a tar archive, of any compression"
    options = ("source", "password", "ssh-key")

    def __init__(self) -> None:
        self._init = INITS[0]
        self._consoles = 1

    def check(self) -> None:
        """Python unpacks it; a program that a compression needs is asked for when it is seen."""

    def build(self, root: str, request: Request) -> None:
        path = request.options.get("source")
        if not path or not path.startswith("/"):
            raise VirtlxcError(
                f"{request.doing}: no archive was given (virtlxc new {request.name} --template "
                "tarball FILE)",
                Code.INVALID_ARG,
            )
        archive.unpack(path, root, request.progress, doing=request.doing)
        with Tree.at(root) as tree:
            self._look(tree, path, request)
            put(tree, identity(request))
            self._consoles = 2 if has_systemd(tree) else 1

    def _look(self, tree: Tree, path: str, request: Request) -> None:
        found = next((init for init in INITS if tree.kind(init) == stat.S_IFREG), None)
        if found is None:
            raise VirtlxcError(
                f"{request.doing}: {path} has no init (none of {', '.join(INITS)} is in it): it is "
                "no root file system, or it is below another folder in the archive",
                Code.INVALID_ARG,
            )
        self._init = found
        for folder in ("/dev", "/proc", "/sys", "/run", "/tmp"):
            tree.make_folder(folder, 0o1777 if folder == "/tmp" else 0o755)

    def domain(self, request: Request) -> Domain:
        return definition(request, memory=MEMORY, init=self._init, consoles=self._consoles)


def identity(request: Request) -> Identity:
    """The name, and what was asked for; the network of a system that is there is its own."""
    password = request.options.get("password")
    return Identity(
        hostname=host_name(request.name),
        password=None if password is None else passwords.hashed(password),
        ssh_key=request.options.get("ssh-key", ""),
    )
