"""check: which definitions run on this host, worked out here, without root and without the daemon.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from virtlxc import model, schema
from virtlxc.cli.inventories import Inventory, files_in
from virtlxc.cli.planning import NO_UUID, as_wanted, completed, host_facts
from virtlxc.config import Config, load_config
from virtlxc.errors import VirtlxcError
from virtlxc.host import links, neighbours
from virtlxc.host.facts import HostFacts, Shared, StartFacts
from virtlxc.host.facts import Network as NetworkFact
from virtlxc.host.gather import Surroundings, start_facts
from virtlxc.inventory import verdict
from virtlxc.inventory.documents import Document, foreign, kind_of, read_document, twins
from virtlxc.inventory.verdict import Finding, Verdict, cannot
from virtlxc.model import Domain
from virtlxc.model.network import Network
from virtlxc.model.network_document import parse_network
from virtlxc.paths import Paths
from virtlxc.plan import StartOptions, plan_start
from virtlxc.plan.checks import refusals
from virtlxc.plan.scene import Scene

_SCHEMAS = {"domain": "domain", "network": "network", "pool": "storagepool"}
# What the schema says of these is found, and said better, by reading the document.
_SAID_OTHERWISE = frozenset({"unknown", "rule", "syntax"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """``facts`` tells where the host's facts are from; ``left`` as in Inventory."""

    facts: str
    verdicts: tuple[Verdict, ...]
    left: tuple[tuple[str, str], ...]


def check(paths: Paths, given: Sequence[str]) -> Checked:
    """The verdict about every definition below the paths."""
    host, source = host_facts(paths, None)
    inventory, verdicts, invalid = _read(given)
    judge = _Judge(
        paths=paths,
        host=host,
        config=load_config(paths.config),
        networks={d.name: d.value for d in inventory.documents if isinstance(d.value, Network)},
        domains=frozenset(d.name for d in inventory.documents if d.kind == "domain"),
    )
    macs = verdict.shared_macs(
        (one.file, one.value) for one in inventory.documents if isinstance(one.value, Domain)
    )
    for document in inventory.documents:
        found = judge.verdict(document, invalid.get(document.file, ()))
        more = tuple(macs.get(document.file, ()))
        verdicts[document.file] = replace(found, findings=(*found.findings, *more))
    ordered = sorted(verdicts.values(), key=lambda one: one.file)
    return Checked(facts=source, verdicts=tuple(ordered), left=inventory.left)


def _read(
    given: Sequence[str],
) -> tuple[Inventory, dict[str, Verdict], dict[str, tuple[str, ...]]]:
    """What can be read; the verdicts about what cannot; what the schema has against the rest."""
    documents: list[Document] = []
    left: list[tuple[str, str]] = []
    verdicts: dict[str, Verdict] = {}
    invalid: dict[str, tuple[str, ...]] = {}

    def refuse(file: str, kind: str, name: str, finding: Finding) -> None:
        verdicts[file] = Verdict(file=file, kind=kind, name=name, findings=(finding,))

    for file in files_in(given):
        kind = kind_of(file.text)
        other = foreign(file.text)
        if file.problem:
            refuse(file.path, "", "", cannot(file.problem, specific=(f"'{file.path}'",)))
            continue
        if other and file.path not in given:
            left.append((file.path, other))
            continue
        try:
            document = read_document(file.text, file.path, autostart=file.autostart)
        except VirtlxcError as error:
            refuse(file.path, kind, "", cannot(error.message))
            continue
        documents.append(document)
        problems = schema.validate(file.text, _SCHEMAS[document.kind])
        invalid[file.path] = tuple(
            problem.message for problem in problems if problem.kind not in _SAID_OTHERWISE
        )
    double = twins(documents)
    for document in documents:
        if document.file in double:
            finding = cannot(double[document.file])
            refuse(document.file, document.kind, document.name, finding)
    good = tuple(one for one in documents if one.file not in double)
    return Inventory(good, (), tuple(left)), verdicts, invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judge:
    """What all definitions are judged by; ``networks`` and ``domains`` are the inventory's own."""

    paths: Paths
    host: HostFacts
    config: Config
    networks: Mapping[str, Network] = field(default_factory=dict)
    domains: frozenset[str] = frozenset()

    def verdict(self, document: Document, invalid: Sequence[str]) -> Verdict:
        assumed: list[str] = []
        if isinstance(document.value, Domain):
            found = list(self._domain(document.value, invalid, assumed))
        elif isinstance(document.value, Network):
            found = list(self._network(document.value, invalid))
        else:
            found = [_unknown(message) for message in invalid]
        return Verdict(
            file=document.file,
            kind=document.kind,
            name=document.name,
            findings=tuple(found),
            assumed=tuple(dict.fromkeys(assumed)),
        )

    def _network(self, network: Network, invalid: Sequence[str]) -> Iterator[Finding]:
        bridge = network.bridge.name
        told = any(one.virtualport for one in (network.port, *network.ports.values()))
        there = links.exists if told else links.is_bridge
        if network.mode == "bridge" and bridge and not there(bridge):
            yield cannot(f"there is no bridge '{bridge}' (create it)")
        for message in invalid:
            yield _unknown(message)

    def _domain(
        self, domain: Domain, invalid: Sequence[str], assumed: list[str]
    ) -> Iterator[Finding]:
        whole = completed(domain)
        specific = tuple(verdict.specific_to(domain))
        for error in self._refusals(whole, assumed):
            yield cannot(error.message, specific=specific)
        yield from verdict.differences(domain, frozenset(self.config.ignore), invalid)

    def _refusals(self, domain: Domain, assumed: list[str]) -> tuple[VirtlxcError, ...]:
        options = StartOptions(
            run=self.paths.domain_run(domain.uuid),
            log=self.paths.domain_log(domain.name),
            instance=self.paths.instance,
            ignore=frozenset(self.config.ignore),
            require_idmap=self.config.require_idmap,
        )
        facts = self._facts(domain, assumed)
        try:
            found = refusals(Scene(domain, self.host, facts, options))
            if not found:
                plan_start(domain, self.host, facts, options)
        except VirtlxcError as error:
            return (error,)
        return found

    def _facts(self, domain: Domain, assumed: list[str]) -> StartFacts:
        """What a start would find here, with the inventory's networks and domains in place."""
        networks = dict(self._networks(domain, assumed))
        facts = start_facts(domain, Surroundings(networks=networks))
        sources = list(facts.sources)
        for at, source in enumerate(sources):
            if source.kind == "missing" and _hidden(source.path):
                assumed.append("a folder or file that we may not look at")
                sources[at] = as_wanted(domain, source.path)
        init = facts.init
        root = domain.root.source if domain.root else ""
        if init.found == "no" and _hidden(f"{root or ''}{init.path}"):
            assumed.append("an init that we may not look at")
            init = replace(init, found="unknown", executable=True)
        shared = dict(facts.shared)
        for share in domain.shares:
            if share.type == "name" and self._is_domain(share.value):
                shared[share.kind] = Shared(path=f"<domain {share.value}>/ns/{share.kind}")
        coming = {one.bridge.name or "" for one in self.networks.values() if one.own_bridge} - {""}
        bridges = {*facts.bridges, *(one.bridge for one in networks.values()), *coming}
        own = self._own_links(domain)
        return replace(
            facts,
            sources=tuple(sources),
            init=init,
            shared=shared,
            bridges=tuple(sorted(bridges)),
            links=tuple(name for name in facts.links if name not in own),
        )

    def _own_links(self, domain: Domain) -> set[str]:
        """The host's links that are the domain's own: it runs, here or in libvirt's driver."""
        uuid = domain.uuid
        if uuid in ("", NO_UUID):
            with (
                contextlib.suppress(OSError, ValueError, VirtlxcError),
                open(self.paths.domain_xml(domain.name), encoding="utf-8") as file,
            ):
                uuid = model.parse_domain(file.read()).uuid
        runs = uuid and os.path.isdir(self.paths.domain_run(uuid))
        if not runs and not os.path.exists(f"{neighbours.FOLDER}/{domain.name}.xml"):
            return set()
        return {card.target for card in domain.interfaces if card.target}

    def _is_domain(self, name: str) -> bool:
        return name in self.domains or os.path.exists(self.paths.domain_xml(name))

    def _networks(
        self, domain: Domain, assumed: list[str]
    ) -> Iterator[tuple[str, NetworkFact]]:
        named = {card.source for card in domain.interfaces if card.type == "network"}
        for name in sorted(filter(None, named)):
            network = self._found(name, assumed)
            if network is not None:
                bridge = network.bridge.name or f"<bridge of {name}>"
                yield name, NetworkFact(
                    active=True, bridge=bridge, port=network.port, ports=network.ports
                )

    def _found(self, name: str, assumed: list[str]) -> Network | None:
        """A network as it will be when it is started, None when there is none."""
        if name in self.networks:
            return self.networks[name]
        try:
            with open(f"{self.paths.networks}/{name}.xml", encoding="utf-8") as file:
                return parse_network(file.read())
        except PermissionError:
            assumed.append(f"there is a network '{name}'")
            return Network(name=name)
        except (OSError, ValueError):
            # The daemon makes this one when it is started for the first time.
            first = name == "default" and not os.path.isdir(self.paths.networks)
            return Network(name=name) if first else None
        except VirtlxcError:
            return None


def _unknown(message: str) -> Finding:
    return Finding(weight=verdict.DIFFERS, cause=f"not in the schema: {message}")


def _hidden(path: str) -> bool:
    """Whether we may not see what is at a path, which is another thing than that nothing is."""
    try:
        os.stat(path)
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return False
