"""Starting what is marked for it: once in a boot of the host, in the order that definitions give.

A service of the host waits for the end of that (``virtlxc guests-start``), and its stop is
:mod:`virtlxc.driver.life.hostend`.
"""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

from virtlxc.driver import files
from virtlxc.driver.core import Core, log
from virtlxc.driver.domain.domain import Entry, View
from virtlxc.driver.life.starting import Wish, start_definition
from virtlxc.errors import VirtlxcError
from virtlxc.runtime import protocol

_AT_ONCE = 4


def order(view: View) -> int:
    """The place of a domain among those that start by themselves."""
    return view.current.container.start_order or 0


class Autostart:
    """The autostart of one daemon's life."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._lock = threading.Lock()
        self._begun = threading.Event()
        self._told: list[str] = []
        self._closing = threading.Event()

    def boot(self) -> None:
        """Starts what is marked, unless that was done in this boot of the host."""
        core = self._core
        try:
            with self._lock:
                self._begun.set()
                if files.first_time(f"{core.paths.run}/autostarted", protocol.boot_id()):
                    self._told = self._start_marked()
        finally:
            self._begun.set()

    def again(self) -> list[str]:
        """Starts what is marked and does not run; gives a sentence for each that does not start.

        Only behind the autostart of a boot, for which it waits, and behind a stop of everything
        (:mod:`virtlxc.driver.life.hostend`): what somebody has ended by hand stays as it is.
        """
        self._begun.wait()
        with self._lock:
            told, self._told = self._told, []
            if self._core.store.were_all_stopped():
                told = self._start_marked()
            return told

    def close(self) -> None:
        """No further start from now on."""
        self._closing.set()

    def _start_marked(self) -> list[str]:
        marked = [entry for entry in self._core.registry.entries() if entry.view.autostart]
        marked.sort(key=lambda entry: (order(entry.view), entry.view.name))
        problems: list[str] = []
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="autostart") as pool:
            for _, group in itertools.groupby(marked, lambda entry: order(entry.view)):
                entries = list(group)
                problems += filter(None, pool.map(self._start_one, entries))
                self._closing.wait(max(_delay(entry.view) for entry in entries))
        return problems

    def _start_one(self, entry: Entry) -> str:
        """What is wrong; empty when it runs."""
        core = self._core
        if self._closing.is_set() or core.host_ends:
            return ""
        try:
            with entry.job.hold("start", entry.view.name) as ticket:
                view = entry.view
                if core.registry.holds(entry) and view.config and not (view.active or view.waiting):
                    start_definition(core, entry, ticket, view.config, Wish(), view.warnings)
            return ""
        except VirtlxcError as error:
            log.error("autostart: %s", error.message)
            return error.message
        except Exception:
            log.exception("autostart of domain '%s' failed", entry.view.name)
            return f"cannot start domain '{entry.view.name}': internal error (see the daemon's log)"


def _delay(view: View) -> int:
    return view.current.container.start_delay or 0
