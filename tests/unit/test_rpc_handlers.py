"""Handlers and rows agree; what libvirt's driver for containers answers is answered here."""

from __future__ import annotations

import inspect

import pytest

from virtlxc.rpc import registry, tables
from virtlxc.rpc.handlers import named
from virtlxc.rpc.registry import Handler

registry.load()
HANDLERS = registry.all_handlers()

# What libvirt's own driver for containers answers. What we lack yet says so with NO_SUPPORT.
LIBVIRTS_DRIVER = """
CONNECT_OPEN CONNECT_CLOSE CONNECT_SUPPORTS_FEATURE CONNECT_GET_TYPE CONNECT_GET_VERSION
CONNECT_GET_LIB_VERSION CONNECT_GET_HOSTNAME CONNECT_GET_URI CONNECT_IS_SECURE
CONNECT_GET_CAPABILITIES NODE_GET_INFO CONNECT_DOMAIN_XML_FROM_NATIVE
CONNECT_LIST_DOMAINS CONNECT_NUM_OF_DOMAINS CONNECT_LIST_DEFINED_DOMAINS
CONNECT_NUM_OF_DEFINED_DOMAINS CONNECT_LIST_ALL_DOMAINS
DOMAIN_LOOKUP_BY_ID DOMAIN_LOOKUP_BY_NAME DOMAIN_LOOKUP_BY_UUID
DOMAIN_CREATE_XML DOMAIN_CREATE_XML_WITH_FILES DOMAIN_CREATE DOMAIN_CREATE_WITH_FLAGS
DOMAIN_CREATE_WITH_FILES DOMAIN_DEFINE_XML DOMAIN_DEFINE_XML_FLAGS
DOMAIN_UNDEFINE DOMAIN_UNDEFINE_FLAGS DOMAIN_DESTROY DOMAIN_DESTROY_FLAGS
DOMAIN_SHUTDOWN DOMAIN_SHUTDOWN_FLAGS DOMAIN_REBOOT DOMAIN_SUSPEND DOMAIN_RESUME
DOMAIN_SEND_PROCESS_SIGNAL
DOMAIN_GET_OS_TYPE DOMAIN_GET_INFO DOMAIN_GET_STATE DOMAIN_GET_XML_DESC
DOMAIN_IS_ACTIVE DOMAIN_IS_PERSISTENT DOMAIN_IS_UPDATED
DOMAIN_GET_AUTOSTART DOMAIN_SET_AUTOSTART DOMAIN_SET_METADATA DOMAIN_GET_METADATA
DOMAIN_GET_HOSTNAME DOMAIN_INTERFACE_ADDRESSES DOMAIN_HAS_MANAGED_SAVE_IMAGE
DOMAIN_GET_SECURITY_LABEL NODE_GET_SECURITY_MODEL
DOMAIN_GET_MAX_MEMORY DOMAIN_SET_MAX_MEMORY DOMAIN_SET_MEMORY DOMAIN_SET_MEMORY_FLAGS
DOMAIN_SET_MEMORY_PARAMETERS DOMAIN_GET_MEMORY_PARAMETERS
DOMAIN_SET_BLKIO_PARAMETERS DOMAIN_GET_BLKIO_PARAMETERS
DOMAIN_GET_SCHEDULER_TYPE DOMAIN_GET_SCHEDULER_PARAMETERS
DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS DOMAIN_SET_SCHEDULER_PARAMETERS
DOMAIN_SET_SCHEDULER_PARAMETERS_FLAGS
DOMAIN_BLOCK_STATS DOMAIN_BLOCK_STATS_FLAGS DOMAIN_INTERFACE_STATS DOMAIN_MEMORY_STATS
DOMAIN_GET_CPU_STATS DOMAIN_OPEN_CONSOLE
DOMAIN_ATTACH_DEVICE DOMAIN_ATTACH_DEVICE_FLAGS DOMAIN_DETACH_DEVICE DOMAIN_DETACH_DEVICE_FLAGS
DOMAIN_UPDATE_DEVICE_FLAGS
CONNECT_DOMAIN_EVENT_REGISTER CONNECT_DOMAIN_EVENT_DEREGISTER
CONNECT_DOMAIN_EVENT_REGISTER_ANY CONNECT_DOMAIN_EVENT_DEREGISTER_ANY
CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY
NODE_GET_CPU_STATS NODE_GET_MEMORY_STATS NODE_GET_CELLS_FREE_MEMORY NODE_GET_FREE_MEMORY
NODE_GET_CPU_MAP NODE_GET_MEMORY_PARAMETERS NODE_SET_MEMORY_PARAMETERS NODE_GET_FREE_PAGES
NODE_ALLOC_PAGES CONNECT_GET_SYSINFO
"""
LACKED = """
NODE_SUSPEND_FOR_DURATION
"""


def _name(handler: Handler) -> str:
    return handler.procedure.name


@pytest.mark.parametrize("handler", HANDLERS, ids=_name)
def test_parameters_are_named_like_the_fields(handler: Handler) -> None:
    first, *names = inspect.signature(handler.function).parameters
    assert first == "call"
    fields = handler.procedure.args.names
    if handler.function.__module__ == named.__name__:  # one function for several kinds of things
        fields = tuple("ref" if name in ("dom", "net", "pool") else name for name in fields)
    assert tuple(names) == fields


@pytest.mark.parametrize("handler", HANDLERS, ids=_name)
def test_flags_are_checked_somewhere(handler: Handler) -> None:
    """By the handler's mask, or by the driver's method, which then gets them."""
    if "flags" in handler.procedure.args.names and handler.flags is None:
        source = inspect.getsource(handler.function)
        assert "flags" in source.partition(")")[2], f"{_name(handler)} drops its flags"


def test_what_libvirts_driver_answers_is_answered() -> None:
    answered = {_name(handler) for handler in HANDLERS}
    assert sorted(set(LIBVIRTS_DRIVER.split()) - answered) == []
    assert sorted(set(LACKED.split()) & answered) == [], "move these to the table above"
    for name in (LIBVIRTS_DRIVER + LACKED).split():
        tables.procedure(name)


def test_nothing_that_waits_is_marked_as_fast() -> None:
    """A console, a start, a descriptor of somebody else's: they must not run on the event loop."""
    for handler in HANDLERS:
        marks = handler.procedure.marks
        if marks & {"reads", "writes", "fds"} or "CREATE" in _name(handler):
            assert not handler.fast, _name(handler)
