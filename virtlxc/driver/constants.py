"""libvirt's numbers that the driver's methods take and give (libvirt/libvirt-domain.h).

Plain integers and not enums: clients may send bits that we have no name for, and the wire layer
hands all of them through unchanged.
"""

from __future__ import annotations


class State:
    """``virDomainState``: what a domain does now."""

    NOSTATE = 0
    RUNNING = 1
    PAUSED = 3
    SHUTDOWN = 4
    SHUTOFF = 5
    CRASHED = 6


STATE_NAMES = {
    State.NOSTATE: "no state",
    State.RUNNING: "running",
    State.PAUSED: "paused",
    State.SHUTDOWN: "in shutdown",
    State.SHUTOFF: "shut off",
    State.CRASHED: "crashed",
}


class Reason:
    """Why a domain is in its state: ``virDomainRunningReason`` and its sisters."""

    UNKNOWN = 0
    RUNNING_BOOTED = 1
    RUNNING_UNPAUSED = 5
    RUNNING_CRASHED = 10
    PAUSED_USER = 1
    PAUSED_STARTING_UP = 11
    SHUTDOWN_USER = 1
    SHUTOFF_SHUTDOWN = 1
    SHUTOFF_DESTROYED = 2
    SHUTOFF_CRASHED = 3
    SHUTOFF_FAILED = 6
    SHUTOFF_DAEMON = 8
    CRASHED_UNKNOWN = 0
    CRASHED_PANICKED = 1


class Event:
    """``virDomainEventType``: the lifecycle events that containers have."""

    DEFINED = 0
    UNDEFINED = 1
    STARTED = 2
    SUSPENDED = 3
    RESUMED = 4
    STOPPED = 5
    SHUTDOWN = 6
    CRASHED = 8


class Detail:
    """The details of lifecycle events; each belongs to the event of its prefix."""

    DEFINED_ADDED = 0
    DEFINED_UPDATED = 1
    DEFINED_RENAMED = 2
    UNDEFINED_REMOVED = 0
    UNDEFINED_RENAMED = 1
    STARTED_BOOTED = 0
    SUSPENDED_PAUSED = 0
    RESUMED_UNPAUSED = 0
    STOPPED_SHUTDOWN = 0
    STOPPED_DESTROYED = 1
    STOPPED_CRASHED = 2
    STOPPED_FAILED = 5
    CRASHED_PANICKED = 0


class Define:
    """``virDomainDefineFlags``."""

    VALIDATE = 1


class Start:
    """``virDomainCreateFlags``."""

    PAUSED = 1
    AUTODESTROY = 2
    BYPASS_CACHE = 4
    FORCE_BOOT = 8
    VALIDATE = 16


class Shutdown:
    """``virDomainShutdownFlagValues``; ``virDomainRebootFlagValues`` has the same numbers."""

    ACPI = 1
    AGENT = 2
    INITCTL = 4
    SIGNAL = 8
    PARAVIRT = 16


class Affect:
    """``virDomainModificationImpact``: which of the two definitions a call is about."""

    CURRENT = 0
    LIVE = 1
    CONFIG = 2


class Xml:
    """``virDomainXMLFlags``."""

    SECURE = 1
    INACTIVE = 2
    UPDATE_CPU = 4
    MIGRATABLE = 8


class Listing:
    """``virConnectListAllDomainsFlags``: pairs of filters; both or none of a pair is no filter."""

    ACTIVE = 1
    INACTIVE = 2
    PERSISTENT = 4
    TRANSIENT = 8
    RUNNING = 16
    PAUSED = 32
    SHUTOFF = 64
    OTHER = 128
    MANAGEDSAVE = 256
    NO_MANAGEDSAVE = 512
    AUTOSTART = 1024
    NO_AUTOSTART = 2048
    HAS_SNAPSHOT = 4096
    NO_SNAPSHOT = 8192
    HAS_CHECKPOINT = 16384
    NO_CHECKPOINT = 32768
    ALL = 65535


class MetadataType:
    """``virDomainMetadataType``."""

    DESCRIPTION = 0
    TITLE = 1
    ELEMENT = 2


class ParamType:
    """``virTypedParameterType``: how a typed parameter's value goes over the wire."""

    INT = 1
    UINT = 2
    LLONG = 3
    ULLONG = 4
    DOUBLE = 5
    BOOLEAN = 6
    STRING = 7


class MemoryStat:
    """``virDomainMemoryStatTags``; values in KiB unless the tag counts something."""

    SWAP_IN = 0
    SWAP_OUT = 1
    MAJOR_FAULT = 2
    MINOR_FAULT = 3
    UNUSED = 4
    AVAILABLE = 5
    ACTUAL_BALLOON = 6
    RSS = 7
    USABLE = 8
    LAST_UPDATE = 9
    DISK_CACHES = 10


class StatsGroup:
    """``virDomainStatsTypes``: the groups of the bulk statistics."""

    STATE = 1
    CPU_TOTAL = 2
    BALLOON = 4
    VCPU = 8
    INTERFACE = 16
    BLOCK = 32


class AddressSource:
    """``virDomainInterfaceAddressesSource``."""

    LEASE = 0
    AGENT = 1
    ARP = 2
