"""The template ``debian``: a Debian as its installer would leave it, with systemd, ssh, a network.

The base is fetched once a week, and kept: a second guest takes the time of unpacking it.
"""

from __future__ import annotations

import platform
import re

from virtlxc.errors import Code, VirtlxcError
from virtlxc.images import archive, bootstrap, passwords
from virtlxc.images.cache import Cache
from virtlxc.images.definitions import definition, host_name
from virtlxc.images.identity import Identity, put
from virtlxc.images.template import Request
from virtlxc.images.tree import Tree
from virtlxc.model import Domain

MEMORY = 512 * 1024  # KiB
CONSOLES = 2  # /dev/console, and a second login on tty2
SUITE = "bookworm"
PACKAGES = (
    *("systemd-sysv", "dbus", "libpam-systemd", "iproute2", "iputils-ping", "openssh-server"),
    *("less", "nano"),
)
# Where systemd-resolved was part of systemd.
_WITHOUT_RESOLVED = frozenset({"jessie", "stretch", "buster", "bullseye", "oldoldstable"})
_ROLLING = frozenset({"sid", "unstable", "experimental"})
# What the kernel calls machines, and Debian.
_ARCHES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "armhf",
    "i686": "i386",
    "ppc64le": "ppc64el",
    "s390x": "s390x",
    "riscv64": "riscv64",
}


class Debian:
    """See the module."""

    name = "debian"
    title = "a Debian from its mirror, with systemd and ssh"
    options = ("suite", "mirror", "packages", "password", "ssh-key", "fresh")

    def check(self) -> None:
        bootstrap.program()

    def build(self, root: str, request: Request) -> None:
        doing, options = request.doing, request.options
        recipe = _recipe(request)

        def make(path: str) -> None:
            bootstrap.make(recipe, path, request.first_id, request.progress, doing=doing)

        path, age = Cache(request.cache).get(
            recipe, make, request.progress, fresh=bool(options.get("fresh"))
        )
        if age > 24 * 3600:
            request.notes.append(
                f"its packages were fetched {int(age / 86400)} days ago (--fresh fetches new ones)"
            )
        archive.unpack(path, root, request.progress, doing=doing)
        with Tree.at(root) as tree:
            _updates(tree, recipe)
            put(
                tree,
                Identity(
                    hostname=host_name(request.name),
                    password=root_password(request),
                    ssh_key=options.get("ssh-key", ""),
                    network=bool(request.network),
                ),
            )

    def domain(self, request: Request) -> Domain:
        return definition(request, memory=MEMORY, consoles=CONSOLES)


def _updates(tree: Tree, recipe: bootstrap.Recipe) -> None:
    """Debian's own mirror has its updates, too; what other mirrors have is not known."""
    if recipe.mirror or recipe.suite in _ROLLING:
        return
    sources = tree.read("/etc/apt/sources.list") or ""
    own = re.search(rf"^deb (\S+) {recipe.suite} main", sources, re.MULTILINE)
    if own is None or f"{recipe.suite}-security" in sources:
        return  # mmdebstrap has written them all
    tree.write(
        "/etc/apt/sources.list",
        f"deb {own[1]} {recipe.suite} main\n"
        f"deb {own[1]} {recipe.suite}-updates main\n"
        f"deb {own[1]}-security {recipe.suite}-security main\n",
    )


def root_password(request: Request) -> str:
    """The hash for /etc/shadow; a password that nobody gave is told once, and kept nowhere.

    With an ssh key and no password there is none: the key is the way in.
    """
    given = request.options.get("password")
    if given is None and request.options.get("ssh-key"):
        return "*"
    if given is None:
        given = passwords.generate()
        request.notes.append(f"root's password is {given} (it is not kept anywhere)")
    return passwords.hashed(given)


def _recipe(request: Request) -> bootstrap.Recipe:
    """Checked before it comes near a command line."""
    options = request.options
    suite = options.get("suite") or SUITE
    mirror = options.get("mirror", "").rstrip("/")
    more = tuple(name for name in options.get("packages", "").replace(",", " ").split() if name)
    for value, pattern, what in (
        (suite, bootstrap.SUITE, "a suite (such as bookworm)"),
        *([(mirror, bootstrap.MIRROR, "the address of a mirror (http:// or https://)")]
          if mirror else []),
        *((name, bootstrap.PACKAGE, "the name of a package") for name in more),
    ):
        if not pattern.fullmatch(value):
            raise VirtlxcError(f"{request.doing}: '{value}' is not {what}", Code.INVALID_ARG)
    machine = platform.machine()
    if machine not in _ARCHES:
        raise VirtlxcError(
            f"{request.doing}: Debian has no packages for {machine}", Code.OPERATION_UNSUPPORTED
        )
    resolved = () if suite in _WITHOUT_RESOLVED else ("systemd-resolved",)
    packages = tuple(dict.fromkeys((*PACKAGES, *resolved, *more)))
    return bootstrap.Recipe(suite=suite, mirror=mirror, packages=packages, arch=_ARCHES[machine])
