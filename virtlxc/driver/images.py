"""``new`` and ``delete``: guests made from templates.

A guest's files are in /var/lib/virtlxc/guests/NAME: ``rootfs`` and ``made.json``, which says that
we made it and for which domain, so that ``delete`` takes away exactly that. The folder ``guests``
is root's alone: through an idmapped mount a guest's set-user-id programs are root's on the disk.

Where the file system takes no idmapped mounts (overlay, some network file systems), the files are
shifted to the guest's id range on the disk.

A guest is built under a temporary name and renamed when it is whole. ``made.json`` says "new" until
the domain is defined too; the next daemon removes what never got so far.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import uuid as _uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from virtlxc import model
from virtlxc.driver import files
from virtlxc.driver.domain.store import read_json
from virtlxc.driver.ref import Defined, Ref
from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.host import idmapped
from virtlxc.host.facts import ALL_IDS
from virtlxc.host.security import idmap, idranges
from virtlxc.images.cache import Cache
from virtlxc.images.progress import Progress
from virtlxc.images.removal import remove_tree
from virtlxc.images.template import Request, Template, find, options_of
from virtlxc.model.complete import mac_of
from virtlxc.paths import Paths
from virtlxc.xmlmap import types

_log = logging.getLogger("virtlxc")

PROTO = 1
DEFAULT_NETWORK = "default"
OPTIONS = ("network", "mac", "memory", "start", "no-network")
_INACTIVE_AND_SECURE = 3  # flags of libvirt's XML calls
_BUILDING, _REMOVING = ".new-", ".old-"


class DomainCalls(Protocol):
    """What of the driver's domains is needed here."""

    def lookup_name(self, name: str) -> Ref: ...
    def xml(self, ref: Ref, flags: int = 0) -> str: ...
    def define(self, xml: str, flags: int = 0) -> Defined: ...
    def start(self, ref: Ref, flags: int = 0) -> Ref: ...
    def destroy(self, ref: Ref, flags: int = 0) -> None: ...
    def undefine(self, ref: Ref, flags: int = 0) -> None: ...
    def is_active(self, ref: Ref) -> bool: ...


class NetworkCalls(Protocol):
    """What of the driver's networks is needed here."""

    def known(self) -> dict[str, tuple[bool, str]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The options of ``new``, checked."""

    network: str = DEFAULT_NETWORK
    mac: str | None = None
    memory: int | None = None
    start: bool = False
    others: Mapping[str, str] = field(default_factory=dict)


class Images:
    """Makes and deletes guests.

    ``taken_ids`` gives the (first, count) ranges of host ids that definitions use; ``registry`` is
    the host's folder of all instances' ranges, and ``own_ids`` gives the blocks of ids it has.
    """

    def __init__(
        self,
        paths: Paths,
        domains: DomainCalls,
        networks: NetworkCalls,
        taken_ids: Callable[[], Iterable[tuple[int, int]]],
        registry: str = idranges.REGISTRY,
        own_ids: Callable[[], tuple[tuple[int, int], ...]] = lambda: (ALL_IDS,),
    ) -> None:
        self._folder = f"{paths.lib}/guests"
        self._cache = f"{paths.lib}/cache"
        self._domains = domains
        self._networks = networks
        self._taken_ids = taken_ids
        self._registry = registry
        self._own_ids = own_ids
        self._lock = threading.Lock()
        # Names and ranges of ids of guests that are being made.
        self._making: dict[str, int] = {}

    def load(self) -> None:
        """Makes the folder and removes what a daemon that died was about to make or delete.

        To be called when the domains are loaded.
        """
        try:
            os.makedirs(self._folder, 0o700, exist_ok=True)
            os.chmod(self._folder, 0o700)
        except OSError as error:
            raise files.refused("make the folder", self._folder, error) from None
        Cache(self._cache).sweep()
        for entry in os.listdir(self._folder):
            path = f"{self._folder}/{entry}"
            if entry.startswith((_BUILDING, _REMOVING)):
                remove_tree(path)
                continue
            made = read_json(f"{path}/made.json")
            if made is not None and made.get("state") == "new":
                if self._is_domain(entry, str(made.get("uuid"))):
                    _write_made(path, {**made, "state": "whole"})
                else:
                    _log.warning("guest '%s' was never whole; removing %s", entry, path)
                    self._take_away(path)

    def new(
        self,
        name: str,
        template: str,
        options: Mapping[str, Any],
        progress: Progress | None = None,
    ) -> tuple[Ref, list[str]]:
        """Makes, defines and, if so wished, starts a guest; what its owner should know.

        Raises VirtlxcError; then nothing was made, unless only the start failed, which it says.
        """
        doing = f"cannot make '{name}'"
        chosen = find(template)
        wish = _wish(options, options_of(chosen), chosen.name, doing)
        with self._lock:
            self._check_free(name, wish, doing)
            chosen.check()
            first_id = self._making[name] = self._free_ids(doing)
        own = progress or Progress()
        try:
            ref, messages = self._make(name, chosen, wish, first_id, own, doing)
        except BaseException:
            self._give_back(first_id)
            raise
        finally:
            del self._making[name]
            if progress is None:
                own.close()
        if wish.start:
            try:
                ref = self._domains.start(ref)
            except VirtlxcError as error:
                raise VirtlxcError(
                    f"'{name}' was made, but: {error.message}", error.code, error.domain
                ) from None
        return ref, messages

    def delete(self, ref: Ref, options: Mapping[str, Any]) -> list[str]:
        """Undefines a guest that ``new`` made, and removes its files; ``force`` ends it first."""
        doing = f"cannot delete '{ref.name}'"
        for option in options:
            if option != "force":
                raise VirtlxcError(f"{doing}: there is no option '{option}'", Code.INVALID_ARG)
        with self._lock:
            path = f"{self._folder}/{ref.name}"
            made = read_json(f"{path}/made.json")
            if made is None or made.get("uuid") != ref.uuid_text:
                raise VirtlxcError(
                    f"{doing}: it was not made by `virtlxc new` (forget its definition: virtlxc "
                    f"undefine {ref.name})",
                    Code.OPERATION_INVALID,
                )
            if self._domains.is_active(ref):
                if not options.get("force"):
                    raise VirtlxcError(
                        f"{doing}: it is running (first: virtlxc destroy {ref.name})",
                        Code.OPERATION_INVALID,
                    )
                self._domains.destroy(ref)
            domain, _ = self._definition(ref.name)
            self._domains.undefine(ref)
            self._take_away(path)
            if domain.idmap is not None and domain.idmap.uids:
                self._give_back(domain.idmap.uids[0].target)
        return []

    def _check_free(self, name: str, wish: Wish, doing: str) -> None:
        if "/" in name or name.startswith(".") or not name or len(name.encode()) > 200:
            raise VirtlxcError(
                f"{doing}: a name has 1 to 200 bytes, no '/' and no leading '.'", Code.INVALID_ARG
            )
        if self._is_domain(name):
            raise VirtlxcError(
                f"{doing}: there is a domain of that name (choose another, or remove that one:"
                " virtlxc delete, or undefine)",
                Code.DOM_EXIST,
            )
        if name in self._making:
            raise VirtlxcError(f"{doing}: it is being made just now", Code.OPERATION_INVALID)
        path = f"{self._folder}/{name}"
        if os.path.lexists(path):
            raise VirtlxcError(
                f"{doing}: {path} is there from a domain that was undefined (remove it, if nothing "
                f"in it is wanted: rm -r {path})",
                Code.OPERATION_INVALID,
            )
        known = self._networks.known()
        if wish.network and wish.network not in known:
            there = ", ".join(sorted(known)) or "none"
            raise VirtlxcError(
                f"{doing}: there is no network '{wish.network}' (there is: {there}; name one:"
                " --network NAME, or leave it without: --no-network)",
                Code.NO_NETWORK,
                From.NETWORK,
            )

    def _make(
        self,
        name: str,
        template: Template,
        wish: Wish,
        first_id: int,
        progress: Progress,
        doing: str,
    ) -> tuple[Ref, list[str]]:
        uuid = str(_uuid.uuid4())
        final = f"{self._folder}/{name}"
        building = f"{self._folder}/{_BUILDING}{uuid}"
        request = Request(
            name=name,
            uuid=uuid,
            root=f"{final}/rootfs",
            network=wish.network,
            mac=wish.mac or _mac_of(uuid),
            memory=wish.memory,
            first_id=first_id,
            options=wish.others,
            cache=self._cache,
            progress=progress,
            definition=self._definition,
        )
        made = {"template": template.name, "uuid": uuid, "state": "new"}
        try:
            os.mkdir(building, 0o700)
            os.mkdir(f"{building}/rootfs", 0o755)
            template.build(f"{building}/rootfs", request)
            domain = template.domain(request)
            progress.tell("define it")
            if not idmapped.takes(building):
                idmapped.shift(f"{building}/rootfs", request.first_id)
            _write_made(building, made)
            os.rename(building, final)
            defined = self._domains.define(model.format_domain(domain))
            _write_made(final, {**made, "state": "whole"})
        except BaseException as error:
            remove_tree(building)
            if os.path.lexists(final):
                with contextlib.suppress(VirtlxcError):
                    if self._is_domain(name, uuid):
                        self._domains.undefine(self._domains.lookup_name(name))
                self._take_away(final)
            if isinstance(error, OSError):
                raise VirtlxcError(
                    f"{doing}: {files.refused('write', error.filename or final, error).message}",
                    Code.SYSTEM_ERROR,
                ) from None
            raise
        return defined.ref, [*defined.warnings, *request.notes]

    def _definition(self, name: str) -> tuple[model.Domain, bool]:
        """What a domain would be started as, and whether it runs; raises VirtlxcError."""
        ref = self._domains.lookup_name(name)
        text = self._domains.xml(ref, _INACTIVE_AND_SECURE)
        return model.parse_domain(text), self._domains.is_active(ref)

    def _free_ids(self, doing: str) -> int:
        taken = [*self._taken_ids(), *((first, idmap.RANGE) for first in self._making.values())]
        for path in ("/etc/subuid", "/etc/subgid"):
            with contextlib.suppress(OSError), open(path, encoding="utf-8") as file:
                taken += idmap.read_sub_ids(file.read())
        try:
            own = self._own_ids()
            first = idranges.take(taken, self._folder, self._registry, own)
        except OSError as error:
            refused = files.refused("note its ids in", self._registry, error)
            raise VirtlxcError(f"{doing}: {refused.message}", refused.code) from None
        if first is None:
            few = own != (ALL_IDS,)
            mend = (
                f" (this host is itself a container, and has the ids {idmap.describe_blocks(own)}: "
                "give it more by a larger count in its <idmap>)"
            )
            raise VirtlxcError(
                f"{doing}: no range of {idmap.RANGE} host ids is free{mend if few else ''}"
            )
        return first

    def _give_back(self, first: int) -> None:
        """A note that stays would only be of a range too much: the next guest of ours takes it."""
        if all(first != taken for taken, _ in self._taken_ids()):
            with contextlib.suppress(OSError):
                idranges.give_back(first, self._folder, self._registry)

    def _is_domain(self, name: str, uuid: str | None = None) -> bool:
        try:
            ref = self._domains.lookup_name(name)
        except VirtlxcError:
            return False
        return uuid is None or ref.uuid_text == uuid

    def _take_away(self, path: str) -> None:
        """Removes a guest's folder; renamed first, so that the next daemon ends a cut-off one."""
        aside = f"{self._folder}/{_REMOVING}{_uuid.uuid4()}"
        with contextlib.suppress(FileNotFoundError):
            os.rename(path, aside)
        remove_tree(aside)


def _wish(
    options: Mapping[str, Any], templates_own: tuple[str, ...], template: str, doing: str
) -> Wish:
    """The options as they come over the wire: texts, numbers (memory: KiB) and switches."""
    network, mac, memory = DEFAULT_NETWORK, None, None
    for name in options:
        if name not in OPTIONS and name not in templates_own:
            known = ", ".join(sorted({*OPTIONS, *templates_own}))
            raise VirtlxcError(
                f"{doing}: there is no option '{name}' for the template '{template}' (known: "
                f"{known})",
                Code.INVALID_ARG,
            )
    if options.get("no-network"):
        network = ""
    elif options.get("network"):
        network = str(options["network"])
    try:
        if options.get("mac"):
            mac = types.MAC.parse(str(options["mac"])).lower()
            mac = ":".join(pair.zfill(2) for pair in mac.split(":"))
        if options.get("memory"):
            memory = types.size("KiB").parse(str(options["memory"]))
    except ValueError as error:
        raise VirtlxcError(
            f"{doing}: '{error}' is not allowed (a MAC is {types.MAC.allowed}; memory is a whole "
            "number of KiB, or one with a unit such as 64M)",
            Code.INVALID_ARG,
        ) from None
    if mac and int(mac[:2], 16) & 1:
        raise VirtlxcError(
            f"{doing}: {mac} is a multicast address (the second digit must be even)",
            Code.INVALID_MAC,
        )
    others = {name: str(value) for name, value in options.items() if name in templates_own}
    return Wish(
        network=network,
        mac=mac,
        memory=memory,
        start=bool(options.get("start")),
        others=others,
    )


def _mac_of(uuid: str) -> str:
    """A MAC of libvirt's block, from the randomness of the domain's UUID."""
    return mac_of(_uuid.UUID(uuid).bytes[-3:])


def _write_made(folder: str, made: Mapping[str, Any]) -> None:
    files.replace_durably(f"{folder}/made.json", json.dumps({"proto": PROTO, **made}).encode())
