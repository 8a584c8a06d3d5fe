"""Requests of traffic control, as bytes: a queue with a rate, and a program for what comes in.

Sources: linux/rtnetlink.h, linux/pkt_sched.h, linux/pkt_cls.h; tc-htb(8), tc-bpf(8).
"""

from __future__ import annotations

import _socket
import struct

from .netlink import NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, attribute, message

RTM_NEWQDISC = 36
RTM_DELQDISC = 37
RTM_NEWTCLASS = 40
RTM_NEWTFILTER = 44

_NEW = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL
_DELETE = NLM_F_REQUEST | NLM_F_ACK

_NESTED = 0x8000
_TCA_KIND = 1
_TCA_OPTIONS = 2
_TCA_HTB_PARMS = 1
_TCA_HTB_INIT = 2
_TCA_HTB_RATE64 = 6
_TCA_HTB_CEIL64 = 7
_TCA_BPF_FD = 6
_TCA_BPF_NAME = 7
_TCA_BPF_FLAGS = 8
_DIRECT_ACTION = 1

_ROOT = 0xFFFFFFFF
_CLSACT = 0xFFFFFFF1
_CLSACT_HANDLE = 0xFFFF0000
_INGRESS = 0xFFFFFFF2
_ETH_P_ALL = 3

_HTB = 0x00010000
_HTB_CLASS = 0x00010001
_QUEUE = 0x00020000
_ETHERNET = 1  # with a link layer that it knows, the kernel needs no table of rates
_TICK_NS = 64

#: What one class may send before the next one's turn: there is only one.
_QUANTUM = 60_000
#: The largest packet, with segmentation left to the card: it must fit into a burst.
LARGEST = 65536
#: How long a full queue takes to empty, in seconds.
_QUEUE_SECONDS = 0.2


def _request(
    kind: int, flags: int, tcmsg: bytes, name: str = "", options: bytes | None = None
) -> bytes:
    body = tcmsg
    if name:
        body += attribute(_TCA_KIND, name.encode() + b"\0")
    if options is not None:
        body += attribute(_TCA_OPTIONS, options)
    return message(kind, flags, body)


def _tcmsg(index: int, handle: int, parent: int, info: int = 0) -> bytes:
    return struct.pack("=BxxxiIII", _socket.AF_UNSPEC, index, handle, parent, info)


def no_root_request(index: int) -> bytes:
    """Give a link its usual queue again."""
    return _request(RTM_DELQDISC, _DELETE, _tcmsg(index, 0, _ROOT))


def no_clsact_request(index: int) -> bytes:
    """Remove the place of programs on a link, with all of them."""
    return _request(RTM_DELQDISC, _DELETE, _tcmsg(index, _CLSACT_HANDLE, _CLSACT), "clsact")


def htb_request(index: int, average: int, peak: int, burst: int) -> bytes:
    """One htb class for all that a link sends: bytes a second, and bytes at once.

    ``burst`` is sent at the rate of ``peak``. Behind it a queue of a fifth of a second.
    """
    glob = struct.pack("=5I", 3, 10, 1, 0, 0)  # version, r2q, the default class, debug, direct
    qdisc = _request(
        *(RTM_NEWQDISC, _NEW, _tcmsg(index, _HTB, _ROOT), "htb"), attribute(_TCA_HTB_INIT, glob)
    )
    rates = b"".join(_ratespec(rate) for rate in (average, peak))
    times = (_ticks(max(burst, LARGEST), average), _ticks(LARGEST, peak))
    parameters = rates + struct.pack("=5I", *times, _QUANTUM, 0, 0)
    options = attribute(_TCA_HTB_PARMS, parameters)
    options += attribute(_TCA_HTB_RATE64, struct.pack("=Q", average))
    options += attribute(_TCA_HTB_CEIL64, struct.pack("=Q", peak))
    one = _request(RTM_NEWTCLASS, _NEW, _tcmsg(index, _HTB_CLASS, _HTB), "htb", options)
    limit = struct.pack("=I", min(max(int(average * _QUEUE_SECONDS), 4 * LARGEST), 0x7FFFFFFF))
    queue = _request(RTM_NEWQDISC, _NEW, _tcmsg(index, _QUEUE, _HTB_CLASS), "bfifo", limit)
    return qdisc + one + queue


def _ratespec(rate: int) -> bytes:
    return struct.pack("=BBHhHI", 0, _ETHERNET, 0, 0, 0, min(rate, 0xFFFFFFFF))


def _ticks(size: int, rate: int) -> int:
    """The time that ``size`` bytes take, in the ticks of the packet scheduler."""
    return min(max(size * 1_000_000_000 // (rate * _TICK_NS), 1), 0xFFFFFFFF)


def classifier_request(index: int, program_fd: int) -> bytes:
    """Have a program judge what a link receives, before anybody else sees it."""
    place = _request(RTM_NEWQDISC, _NEW, _tcmsg(index, _CLSACT_HANDLE, _CLSACT), "clsact")
    options = attribute(_TCA_BPF_FD, struct.pack("=I", program_fd))
    options += attribute(_TCA_BPF_NAME, b"virtlxc-rate\0")
    options += attribute(_TCA_BPF_FLAGS, struct.pack("=I", _DIRECT_ACTION))
    info = 1 << 16 | _socket.htons(_ETH_P_ALL)
    judge = _request(RTM_NEWTFILTER, _NEW, _tcmsg(index, 1, _INGRESS, info), "bpf", options)
    return place + judge
