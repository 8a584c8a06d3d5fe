"""Our own program: what libvirt has no call for.

Fields are added by a new procedure, never to an old one: yesterday's command talks to today's
daemon, and the reverse.

- Warnings and messages are sentences for a person.
- PLAN: of ``xml`` or, when that is null, of ``dom``.
- EXEC_START: three descriptors come with the call (the program's standard ones) unless ``tty`` is
  1; then one comes back with the reply, the master of the program's new terminal. ``user`` and
  ``group`` are names or numbers as the guest knows them; ``env`` are NAME=VALUE.
- EXEC_WAIT answers when the program has ended: ``how`` 0 is an exit with ``status``, 1 a signal.
  EXEC_CLOSE kills it; so does the end of the connection.
- LOGS: a negative ``offset`` counts from the end; ``next`` is where to go on.
- NEW and DELETE: ``options`` are typed parameters named like the command's options.
- NEW_START is NEW for who wants to watch. NEW_WAIT answers when there is news: ``text`` is being
  done, ``done`` of ``total`` (0: unknown); ``made`` 1 comes once, with the domain, and is the last.
  The end of the connection gives it up, and leaves nothing.
- SHUTDOWN and REBOOT say ``how`` init was asked.
- GUESTS_START waits for the end of the autostart, GUESTS_STOP for that of every domain; 0
  ``seconds`` is as configured. Messages are about those that did not.
- DEFINE_MANY: what became of each, in their order; with the flag 1 those after the first error are
  not tried, and not in the reply. DEFINITIONS: of these domains, as far as they have one.
- GET_LIMITS and SET_LIMITS: ``pids``, ``memory_low`` and ``memory_min`` (KiB); 0 is no limit.
- PROGRAMS: what runs inside, each name once.
- CONSOLE_RESIZE: ``dev_name`` null is the first console.
"""

from __future__ import annotations

# fmt: off
ROWS = (
    (1, "PLAN", "xml: string?, dom: domain?, flags: uint", "text: string", "quiet"),
    (2, "EXEC_START",
     "dom: domain, argv: string<65536>, env: string<65536>, cwd: string?, user: string?, "
     "group: string?, tty: int, rows: uint, columns: uint, flags: uint",
     "handle: uint, pid: int", "fds"),
    (3, "EXEC_WAIT", "handle: uint", "how: int, status: int", "quiet"),
    (4, "LOGS", "dom: domain, offset: hyper, size: uint", "data: opaque<4194304>, next: uhyper",
     "quiet"),
    (5, "NEW", "name: string, template: string, options: param<64>, flags: uint",
     "dom: domain, messages: string<1024>", ""),
    (6, "DELETE", "dom: domain, options: param<64>, flags: uint", "messages: string<1024>", ""),
    (7, "HOST_VALIDATE", "flags: uint", "facts: host_fact<1024>", "ro"),
    (8, "STATUS", "dom: domain", "text: string", "ro"),
    (9, "START_IGNORING", "dom: domain, ignore: string<64>, flags: uint", "dom: domain", "fds"),
    (10, "CONSOLE_RESIZE", "dom: domain, dev_name: string?, rows: uint, columns: uint", "",
     "quiet"),
    (11, "DEFINE", "xml: string, flags: uint", "dom: domain, warnings: string<1024>", ""),
    (12, "SHUTDOWN", "dom: domain, flags: uint", "how: string", ""),
    (13, "REBOOT", "dom: domain, flags: uint", "how: string", ""),
    (14, "EXEC_CLOSE", "handle: uint", "", ""),
    (15, "VERSION", "", "version: string, pid: int, root: string", "ro"),
    (16, "NETWORK_START", "net: network, flags: uint", "warnings: string<1024>", ""),
    (17, "GUESTS_START", "flags: uint", "messages: string<65536>", ""),
    (18, "GUESTS_STOP", "seconds: uint, flags: uint", "messages: string<65536>", ""),
    (19, "DEFINE_MANY", "xmls: string<1000>, flags: uint", "outcomes: outcome<1000>", ""),
    (20, "DEFINITIONS", "doms: domain<1000>, flags: uint", "kept: kept_definition<1000>", "quiet"),
    (21, "NEW_START", "name: string, template: string, options: param<64>, flags: uint",
     "handle: uint", ""),
    (22, "NEW_WAIT", "handle: uint",
     "text: string, done: uhyper, total: uhyper, made: int, dom: domain?, messages: string<1024>",
     "quiet"),
    (23, "GET_LIMITS", "dom: domain, flags: uint", "params: param<16>", "ro"),
    (24, "SET_LIMITS", "dom: domain, params: param<16>, flags: uint", "", ""),
    (25, "PROGRAMS", "dom: domain, flags: uint", "names: string<65536>", "quiet"),
)
