"""Does a definition run on this host, and what changes: findings, grouped by their cause."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from virtlxc.model import Domain, unserved

CANNOT, DIFFERS, RUNS = "cannot", "differs", "runs"
_TITLES = {
    RUNS: "{} run as they are",
    DIFFERS: "{} run with differences",
    CANNOT: "{} cannot",
}
_SECTIONS = {
    CANNOT: "cannot run:",
    DIFFERS: "differences from libvirt's LXC driver:",  # of files that cannot run, too
}

# What libvirt's LXC driver does not act on either: keeping it without effect changes nothing.
MACHINES = "for virtual machines"
_ANYTHING = "..."
# The domain's name, and the name of its card, are no part of a cause.
_PREFIX = re.compile(r"(cannot start )?domain '.*?': (attach \S+ to its bridge: )?", re.DOTALL)
_LINE = re.compile(r"^line (\d+): ")
_NUMBER = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing about one file.

    ``cause`` is the same for all files that have the same problem; ``detail`` is what is this
    file's alone (a path, a line), '' for nothing.
    """

    weight: str
    cause: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """All about one file; ``assumed`` is what could not be seen and was taken as good."""

    file: str
    kind: str
    name: str
    findings: tuple[Finding, ...] = ()
    assumed: tuple[str, ...] = ()

    @property
    def weight(self) -> str:
        weights = {finding.weight for finding in self.findings}
        return CANNOT if CANNOT in weights else DIFFERS if DIFFERS in weights else RUNS


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A cause, and (file, detail) of each file that has it."""

    weight: str
    cause: str
    files: tuple[tuple[str, str], ...]


def cannot(message: str, line: int = 0, specific: Iterable[str] = ()) -> Finding:
    """A finding from the message of an error: what is ``specific`` to the file is its detail.

    Longer texts win, so that a path is not cut by one that it begins with.
    """
    prefix = _PREFIX.match(message)
    cause = message[prefix.end() :] if prefix else message
    details = [f"line {line}"] if line else []
    found = _LINE.match(cause)
    if found:
        cause = cause[found.end() :]
        details = [f"line {found[1]}"]
    for text in sorted({one for one in specific if len(one) > 1}, key=len, reverse=True):
        if text in cause:
            cause = cause.replace(text, _ANYTHING)
            details.append(text)
    return Finding(weight=CANNOT, cause=cause, detail=", ".join(details))


def specific_to(domain: Domain) -> Iterator[str]:
    """What in messages about a domain is its own: its folders and its name."""
    yield from (fs.source for fs in domain.filesystems if fs.source)
    yield f"'{domain.name}'"


def differences(
    domain: Domain, ignored: frozenset[str], invalid: Iterable[str] = ()
) -> Iterator[Finding]:
    """What is another way here than with libvirt's driver, though the domain runs.

    ``ignored`` are protecting elements that the configuration lets go; ``invalid`` what the schema
    has against the document and the field tables do not know of.
    """
    if domain.root is None:
        yield _differs(
            "no root file system: it sees the host's programs read-only, and none of its data"
        )
    shares_net = any(share.kind == "net" for share in domain.shares)
    host_net = not domain.needs_netns and not shares_net
    if host_net and ("net_admin", "on") not in domain.features.caps:
        yield _differs("on the host's network: without CAP_NET_ADMIN, which libvirt gives")
    for item in unserved(domain):
        if MACHINES in item.reason or (item.protects and not {item.name, item.path} & ignored):
            continue
        cause = f"{_NUMBER.sub('', item.path)} has no effect: "
        yield _differs(cause + (item.reason or "virtlxc does not know it"))
    for message in invalid:
        yield _differs(f"not in the schema: {message}")


def _differs(cause: str) -> Finding:
    return Finding(weight=DIFFERS, cause=cause)


def shared_macs(domains: Iterable[tuple[str, Domain]]) -> dict[str, list[Finding]]:
    """By file: MACs that another file's domain has too, so that only one of both can run."""
    holders: dict[str, list[str]] = {}
    for file, domain in domains:
        for mac in {card.mac for card in domain.interfaces if card.mac}:
            holders.setdefault(mac, []).append(file)
    found: dict[str, list[Finding]] = {}
    for mac, files in holders.items():
        for file in files if len(files) > 1 else ():
            cause = f"the MAC {mac} is in {len(files)} files: only one of them can run at a time"
            found.setdefault(file, []).append(_differs(cause))
    return found


def grouped(verdicts: Iterable[Verdict]) -> list[Group]:
    """The causes: those that keep domains from running first, then by the number of files."""
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for verdict in verdicts:
        for finding in verdict.findings:
            files = groups.setdefault((finding.weight, finding.cause), [])
            if (verdict.file, finding.detail) not in files:
                files.append((verdict.file, finding.detail))
    found = [
        Group(weight=weight, cause=cause, files=tuple(files))
        for (weight, cause), files in groups.items()
    ]
    order = (CANNOT, DIFFERS)
    return sorted(found, key=lambda one: (order.index(one.weight), -len(one.files), one.cause))


def counts(verdicts: Sequence[Verdict]) -> dict[str, int]:
    return {weight: sum(one.weight == weight for one in verdicts) for weight in _TITLES}


def headline(verdicts: Sequence[Verdict]) -> str:
    """``380 run as they are, 17 run with differences, 3 cannot``"""
    found = counts(verdicts)
    return ", ".join(title.format(found[weight]) for weight, title in _TITLES.items())


def report(verdicts: Sequence[Verdict]) -> str:
    """The whole answer, for people."""
    lines = [headline(verdicts)]
    groups = grouped(verdicts)
    for weight, title in _SECTIONS.items():
        some = [group for group in groups if group.weight == weight]
        lines += ["", title] if some else []
        for group in some:
            lines.append(f"  {group.cause}")
            lines += [f"      {file}" + (f": {at}" if at else "") for file, at in group.files]
    assumed: dict[str, list[str]] = {}
    for verdict in verdicts:
        for text in verdict.assumed:
            assumed.setdefault(text, []).append(verdict.file)
    lines += ["", "could not be seen, and was taken as good (root sees more):"] if assumed else []
    for text, files in assumed.items():
        some_files = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if files[3:] else "")
        lines.append(f"  {text}: {some_files}")
    return "".join(f"{line}\n" for line in lines)


def plain(verdicts: Sequence[Verdict], facts: str) -> dict[str, object]:
    """The whole answer, for programs."""
    return {
        "facts": facts,
        "counts": counts(verdicts),
        "causes": [
            {
                "verdict": group.weight,
                "cause": group.cause,
                "files": [{"file": file, "detail": at or None} for file, at in group.files],
            }
            for group in grouped(verdicts)
        ],
        "files": [
            {
                "file": one.file,
                "kind": one.kind or None,
                "name": one.name or None,
                "verdict": one.weight,
                "causes": [finding.cause for finding in one.findings],
                "assumed": list(one.assumed),
            }
            for one in verdicts
        ],
    }
