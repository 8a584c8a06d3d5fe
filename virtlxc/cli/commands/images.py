"""Domains made and removed with their files."""

from __future__ import annotations

from virtlxc.cli.domains import DOMAIN
from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Command, flag, rows, text, word
from virtlxc.cli.lookup import domain
from virtlxc.cli.params import BOOLEAN, STRING, ULLONG
from virtlxc.cli.units import to_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.cli.grammar import Args
    from virtlxc.cli.params import Param
    from virtlxc.cli.session import Session

MIB, KIB = 1 << 20, 1 << 10
KEY_MAX = 1 << 16
# Options that are passed on as they are.
TEXTS = ("network", "mac", "suite", "mirror", "packages")


def kibibytes(written: str) -> int:
    """A size such as 512M or 2GiB, in KiB, a bare number being MiB; Failed when it is none."""
    size = to_bytes(written, MIB)
    if not size or size < KIB:
        raise Failed(f"'{written}' is not a size; write for example 512M or 2G")
    return size // KIB


def _new(session: Session, args: Args) -> None:
    name, template = args["name"], args["template"]
    options: list[Param] = [(option, STRING, args[option]) for option in TEXTS if option in args]
    if "memory" in args:
        options.append(("memory", ULLONG, kibibytes(args["memory"])))
    for switch in ("no-network", "fresh"):
        if switch in args:
            options.append((switch, BOOLEAN, 1))
    if "source" in args:
        options.append(("source", STRING, _source(template, args["source"])))
    if "ssh-key" in args:
        options.append(("ssh-key", STRING, _public_key(args["ssh-key"])))
    if "password" in args:
        options.append(("password", STRING, _password(args["password"])))
    if "set" in args:
        options += [(name, STRING, value) for name, value in settings(args["set"])]
    from virtlxc.cli.making import make

    found = make(session, name, template, options)
    for message in found["messages"]:
        session.remark(f"{message}\n")
    session.remark(f"Domain '{found['dom'][0]}' made\n")
    if "start" in args:
        # A call of its own, so that what fails is called by its name: the domain is there.
        ref = found["dom"]
        session.call("DOMAIN_CREATE", failed=f"Failed to start domain '{name}'", dom=ref)
        session.remark(f"Domain '{name}' started\n")
    if "console" in args:
        from virtlxc.cli.terminal import attach

        attach(session, found["dom"])


def settings(written: str) -> list[tuple[str, str]]:
    """``a=b,c=d,e`` -> a: b, c: ``d,e``; Failed when it does not begin with a name and ``=``."""
    found: list[tuple[str, str]] = []
    for part in written.split(","):
        name, equals, value = part.partition("=")
        if equals and name:
            found.append((name, value))
        elif found:
            found[-1] = (found[-1][0], f"{found[-1][1]},{part}")
        else:
            raise Failed(f"'{part}' is not NAME=VALUE")
    return found


def _source(template: str, given: str) -> str:
    """An archive as the daemon finds it, whose working folder is another; a domain as it is."""
    if template != "tarball":
        return given
    from os.path import abspath

    return abspath(given)


def _public_key(path: str) -> str:
    """The text of a public key's file; Failed for anything else, a private key above all."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            key = file.read(KEY_MAX).strip()
    except OSError as error:
        raise Failed(f"cannot read the key {path}: {error.strerror}") from None
    if "PRIVATE KEY" in key:
        raise Failed(f"{path} is a private key; give the public one, {path}.pub")
    if not key or any(len(line.split()) < 2 for line in key.splitlines()):
        raise Failed(f"{path} has no public key of OpenSSH's")
    return key


def _password(given: str) -> str:
    """The password; "-" is asked for, or read from our input."""
    if given != "-":
        return given
    import sys

    if sys.stdin.isatty():
        from getpass import getpass

        found = getpass("root's password: ")
    else:
        found = sys.stdin.readline().rstrip("\n")
    if not found:
        raise Failed("the password is empty")
    return found


def _delete(session: Session, args: Args) -> None:
    ref = domain(session, args)
    options: list[Param] = [("force", BOOLEAN, 1)] if "force" in args else []
    found = session.own(
        "DELETE", failed=f"Failed to delete domain '{args['domain']}'", dom=ref, options=options
    )
    for message in found["messages"]:
        session.remark(f"{message}\n")
    session.remark(f"Domain '{ref[0]}' deleted\n")


COMMANDS = rows(
    Command(
        "delete",
        "remove a domain and the files that 'new' made for it",
        DOMAIN,
        flag("force", "destroy it first if it runs"),
        run=_delete,
    ),
    Command(
        "new",
        "make a domain: its root file system and its definition",
        word("name", "the name of the new domain"),
        word("template", "what is put into it: busybox, debian, tarball, copy or another's",
             complete="templates"),
        text("source", "what a tarball is unpacked from, or the domain to copy"),
        text("network", "the network it is connected to; default if not given", named=True,
             complete="networks"),
        flag("no-network", "it gets no network card"),
        text("mac", "its MAC address", named=True),
        text("memory", "the most memory it may use: 512M, 2G", named=True),
        text("suite", "debian: which release; bookworm if not given", named=True),
        text("mirror", "debian: the address of its mirror", named=True),
        text("packages", "debian: more packages, A,B,...", named=True),
        flag("fresh", "debian: fetch it anew, though it was fetched lately"),
        text("password", "root's password; '-' reads it", named=True),
        text("ssh-key", "the file of a public key that may log in as root", named=True),
        text("set", "options of a template from another package, NAME=VALUE,...", named=True),
        flag("start", "start it"),
        flag("console", "and connect to its console"),
        run=_new,
        needs=(("console", "start"),),
    ),
)  # fmt: skip
