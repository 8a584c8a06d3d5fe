"""What commands about domains share: the option that names one, and where a change goes."""

from __future__ import annotations

from virtlxc.cli.grammar import flag, word

# libvirt's virDomainModificationImpact, with which those of networks agree.
LIVE, CONFIG = 1, 2
AFFECT = (("live", LIVE), ("config", CONFIG))
EXCLUDES = (("current", "live"), ("current", "config"))

# libvirt's virDomainXMLFlags.
SECURE_XML, INACTIVE_XML = 1, 2

DOMAIN = word("domain", "name, id or UUID", complete="domains")
ACTIVE = word("domain", "name, id or UUID", complete="active-domains")

OF_CONFIG = flag("config", "of the definition")
OF_LIVE = flag("live", "of what runs")
OF_CURRENT = flag("current", "of what is now")
OF = (OF_CONFIG, OF_LIVE, OF_CURRENT)

IN_CONFIG = flag("config", "in the definition")
IN_LIVE = flag("live", "in what runs")
IN_CURRENT = flag("current", "in what is now")
IN = (IN_CONFIG, IN_LIVE, IN_CURRENT)
