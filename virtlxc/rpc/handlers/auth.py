"""Who is at the other end: the kernel has told already, and polkit tells where that is not enough.

SASL, by which libvirt's daemons ask for passwords, is not offered.
"""

from __future__ import annotations

import logging
from typing import NoReturn

from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.host import polkit
from virtlxc.rpc.registry import Call, Later, Peer, handles

_audit = logging.getLogger("virtlxc.audit")

# libvirt's remote_auth_type.
_NONE, _POLKIT = 0, 2


@handles("AUTH_LIST", fast=True, needs_open=False)
def auth_list(call: Call) -> list[int]:
    return [_NONE if call.peer.admitted else _POLKIT]


@handles("AUTH_POLKIT", needs_open=False)
def auth_polkit(call: Call) -> Later:
    """Ends when polkit has an answer, which may need a person who types a password."""
    peer = call.peer
    if peer.admitted:
        raise VirtlxcError(
            "authentication failed: client tried invalid polkit init request",
            Code.AUTH_FAILED,
            From.RPC,
        )
    try:
        question = polkit.Question(peer.pid, peer.uid, peer.is_there)
    except polkit.Unavailable as error:
        raise _unavailable(error) from None
    number = question.fileno()
    peer.keep(number, question)
    return Later(number, lambda: _poll(peer, question, number))


def _poll(peer: Peer, question: polkit.Question, number: int) -> int | None:
    try:
        answer = question.poll()
    except polkit.Unavailable as error:
        peer.drop(number)
        raise _unavailable(error) from None
    if answer is None:
        return None
    peer.drop(number)
    refusal = None if answer.authorized else _refused(answer)
    # Who was let in, and who was not, is told like a change.
    _audit.info(
        "uid=%d pid=%d call=AUTH_POLKIT domain=- result=%s", peer.uid, peer.pid, refusal or "ok"
    )
    if refusal is not None:
        raise refusal
    peer.admit()
    return 1


def _unavailable(error: polkit.Unavailable) -> VirtlxcError:
    return VirtlxcError(
        f"authentication unavailable: polkit cannot be asked: {error}",
        Code.AUTH_UNAVAILABLE,
        From.POLKIT,
    )


def _refused(answer: polkit.Answer) -> VirtlxcError:
    """libvirt's codes: by them its clients know whether to start an agent and try again."""
    if answer.challenge:
        return VirtlxcError(
            "authentication unavailable: no polkit agent available to authenticate action "
            f"'{polkit.MANAGE}' (be root or a member of the socket's group, or run pkttyagent)",
            Code.AUTH_UNAVAILABLE,
            From.POLKIT,
        )
    if answer.dismissed:
        return VirtlxcError(
            "authentication cancelled: user cancelled authentication process",
            Code.AUTH_CANCELLED,
            From.POLKIT,
        )
    return VirtlxcError(
        "authentication failed: access denied by policy", Code.AUTH_FAILED, From.POLKIT
    )


@handles("AUTH_SASL_INIT", fast=True, needs_open=False)
def auth_sasl_init(call: Call) -> NoReturn:
    raise _no_sasl()


@handles("AUTH_SASL_START", fast=True, needs_open=False)
def auth_sasl_start(call: Call, mech: str, nil: int, data: str) -> NoReturn:
    raise _no_sasl()


@handles("AUTH_SASL_STEP", fast=True, needs_open=False)
def auth_sasl_step(call: Call, nil: int, data: str) -> NoReturn:
    raise _no_sasl()


def _no_sasl() -> VirtlxcError:
    return VirtlxcError(
        "authentication failed: virtlxc offers no SASL (come by ssh, where users have their keys)",
        Code.AUTH_FAILED,
        From.RPC,
    )
