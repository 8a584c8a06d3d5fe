"""plan: what a start would do, worked out here, without root and without the daemon."""

from __future__ import annotations

import os
from dataclasses import replace

from virtlxc import model
from virtlxc.cli.failures import Failed
from virtlxc.config import load_config
from virtlxc.errors import VirtlxcError
from virtlxc.host.facts import HostFacts, Network
from virtlxc.host.gather import Surroundings, start_facts
from virtlxc.host.probe import probe_passive
from virtlxc.model.network_document import parse_network
from virtlxc.paths import Paths
from virtlxc.plan import StartOptions, plan_start, render

# What stands for values that a real start would take from chance.
NO_UUID = "00000000-0000-4000-8000-000000000000"
MAC_PREFIX = "52:54:00:00:00:"


def plan_text(paths: Paths, xml: str, facts_file: str | None) -> str:
    """The steps of a start, as text; Failed, with the mend, when it could not start."""
    try:
        domain = model.parse_domain(xml)
        model.check(domain)
        numbers = iter(range(1, 255))
        domain = model.complete(
            domain, new_uuid=lambda: NO_UUID, new_mac=lambda: f"{MAC_PREFIX}{next(numbers):02x}"
        )
        host, source = host_facts(paths, facts_file)
        networks = _networks(paths, domain)
        facts = start_facts(domain, Surroundings(networks=networks))
        # A start of the domain would start its networks first, and so make their bridges.
        made = (network.bridge for network in networks.values())
        facts = replace(facts, bridges=tuple(sorted({*facts.bridges, *made})))
        options = StartOptions(
            run=paths.domain_run(domain.uuid),
            log=paths.domain_log(domain.name),
            instance=paths.instance,
            require_idmap=load_config(paths.config).require_idmap,
        )
        return render(plan_start(domain, host, facts, options), facts=source)
    except VirtlxcError as error:
        raise Failed(error.message) from None


def host_facts(paths: Paths, file: str | None) -> tuple[HostFacts, str]:
    """What is known of the host, and where from: a file, the daemon's, or what we may read."""
    for path in (file,) if file else (paths.facts,):
        try:
            with open(path, encoding="utf-8") as opened:
                return HostFacts.from_json(opened.read()), f"from {path}"
        except OSError as error:
            if file:
                raise Failed(
                    f"Failed to open file '{file}': {os.strerror(error.errno or 0)}"
                ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise Failed(f"'{path}' holds no facts of a host: {error}") from None
    return probe_passive(), "read passively (the daemon knows more)"


def _networks(paths: Paths, domain: model.Domain) -> dict[str, Network]:
    """The domain's virtual networks as the daemon would have them ready."""
    names = {card.source for card in domain.interfaces if card.type == "network" and card.source}
    return {name: Network(active=True, bridge=_bridge(paths, name)) for name in sorted(names)}


def _bridge(paths: Paths, network: str) -> str:
    """The bridge of a network by its definition; a word for it where that cannot be read."""
    try:
        with open(f"{paths.networks}/{network}.xml", encoding="utf-8") as file:
            return parse_network(file.read()).bridge.name or f"<bridge of {network}>"
    except (OSError, VirtlxcError):
        return f"<bridge of {network}>"
