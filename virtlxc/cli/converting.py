"""domxml-from-native and domxml-to-native: what cannot be said goes to stderr as warnings."""

from __future__ import annotations

import os
from collections.abc import Sequence

from virtlxc.cli.files import read_text
from virtlxc.cli.session import Session
from virtlxc.convert import Disk, read_native, write_native
from virtlxc.convert.oci import CONFIG
from virtlxc.model import format_domain, parse_domain


def from_native(session: Session, form: str, paths: Sequence[str]) -> str:
    """The XML of each configuration; the folder of an OCI bundle stands for its config.json."""
    documents = []
    for path in paths:
        if form == "oci" and os.path.isdir(path):
            path = os.path.join(path, CONFIG)
        found = read_native(form, read_text(path), file=path, files=Disk())
        session.warn(*map(str, found.notes))
        documents.append(format_domain(found.domain))
    return "".join(documents)


def to_native(session: Session, form: str, xml: str) -> str:
    written = write_native(form, parse_domain(xml))
    session.warn(*written.notes)
    return written.text
