"""What -c takes, and what may have been meant by something else."""

from __future__ import annotations

import os

FORMS = (
    "-c takes lxc:///system, lxc+unix:///system?socket=PATH, lxc+ssh://[USER@]HOST/system, another"
    " URI of libvirt's, or the path of a socket"
)
# libvirt's drivers, and the prefix by which its own is meant where ours would be.
DRIVERS = (
    "bhyve", "ch", "esx", "gsx", "hyperv", "libvirt", "lxc", "openvz", "parallels", "qemu",
    "remote", "test", "vbox", "vmware", "vmwareplayer", "vmwarews", "vpx", "vz", "xen",
)  # fmt: skip
LOCAL = ("lxc", "lxc+unix")
REMOTE = ("ssh", "libssh", "libssh2", "tcp", "tls", "ext")
ALIKE = 0.6  # 1 is equal


def refusal(address: str) -> str:
    """What is wrong with an address, '' when it may be one; what is there is not asked."""
    scheme, sign, rest = address.partition("://")
    near = ""
    if not sign:
        if address.startswith("/") or os.path.exists(address):
            return ""
        near = _nearest(address)
    elif scheme in LOCAL:
        if rest[:1] in ("", "/", "?"):
            return ""
        near = _nearest(address)
    elif scheme.partition("+")[0] in DRIVERS or not (near := _nearest(address)):
        return ""
    meant = f"; the nearest is {near}" if near else ""
    return f"'{address}' is no address of a daemon{meant} ({FORMS})"


def _nearest(address: str) -> str:
    """The URI that was probably meant; '' when nobody can tell."""
    from re import fullmatch

    found = fullmatch(r"([A-Za-z][A-Za-z0-9+]*)(?:(:/*|/+)(.*))?", address)
    if found is None:
        return ""
    scheme, sign, rest = found[1].lower(), found[2] or "", found[3] or ""
    base, plus, transport = scheme.partition("+")
    base = _alike(base, DRIVERS)
    if not base:
        return ""
    place, question, query = rest.partition("?")
    host, _, path = place.strip("/").partition("/")
    if base == "lxc" and not plus and sign == "://" and _alike(host, ("system",)) == "":
        plus, transport = "+", "ssh"
    if transport in REMOTE:
        place = f"{host}/{path or 'system'}" if host else ""
    else:
        known = "default" if base == "test" else "system"
        place = "/" + (known if base == "lxc" else place.strip("/") or known)
    return f"{base}{plus}{transport}://{place}{question}{query}" if place else ""


def _alike(word: str, words: tuple[str, ...]) -> str:
    from difflib import get_close_matches

    return word if word in words else next(iter(get_close_matches(word, words, 1, ALIKE)), "")
