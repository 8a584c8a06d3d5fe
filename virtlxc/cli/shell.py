"""The interactive shell."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from virtlxc.cli.failures import Failed
from virtlxc.cli.main import run_line
from virtlxc.cli.session import Session

HISTORY_MAX = 500


def interact(session: Session) -> int:
    """Reads commands and carries them out until quit or the end of input; the exit status."""
    session.interactive = True
    if session.uri:
        try:
            _ = session.connection
        except Failed as failed:
            session.complain(*failed.lines)
            return 1
    session.remark(
        "Welcome to virtlxc, the virtualization interactive terminal.\n\n"
        "Type:  'help' for help with commands\n"
        "       'quit' to quit\n\n"
    )
    read = _reader(session)
    while session.interactive:
        try:
            line = read("virtlxc > " if session.readonly else "virtlxc # ")
        except EOFError:
            break
        except KeyboardInterrupt:
            session.say("\n")
            continue
        if line.strip():
            try:
                run_line(session, [line])
            except KeyboardInterrupt:
                session.say("\n")
                session.lost()
        session.flush()
    session.say("\n")
    return 0


def _history() -> str:
    folder = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder += "/virtlxc"
    os.makedirs(folder, mode=0o700, exist_ok=True)
    return folder + "/history"


def _reader(session: Session) -> Any:
    """A function from a prompt to a line: prompt_toolkit's where it is there, else readline's."""
    if not os.isatty(0):
        return partial(_plain, session)
    try:
        return _rich_reader(session)
    except ImportError:
        return _readline_reader(session)


def _plain(session: Session, prompt: str) -> str:
    """Lines from a pipe, shown with their prompt as virsh's readline shows them."""
    line = input(prompt)
    session.say(f"{line}\n")
    return line


def _rich_reader(session: Session) -> Any:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import Completer, Completion
    from prompt_toolkit.history import FileHistory

    from virtlxc.cli.completion import candidates

    class Words(Completer):
        def get_completions(self, document: Any, complete_event: Any) -> Any:
            before = document.text_before_cursor
            begun = before.rpartition(" ")[2]
            for found in candidates(session, before):
                yield Completion(found, start_position=-len(begun))

    prompt: PromptSession[str] = PromptSession(
        history=FileHistory(_history()), completer=Words(), complete_while_typing=False
    )
    return prompt.prompt


def _readline_reader(session: Session) -> Any:
    import atexit
    import contextlib
    import readline

    from virtlxc.cli.completion import candidates

    path = _history()
    with contextlib.suppress(OSError):  # the first time there is none
        readline.read_history_file(path)
    readline.set_history_length(HISTORY_MAX)
    atexit.register(readline.write_history_file, path)

    def complete(text: str, state: int) -> str | None:
        line = readline.get_line_buffer()[: readline.get_endidx()]
        found = candidates(session, line)
        return found[state] + " " if state < len(found) else None

    readline.set_completer_delims(" ")
    readline.set_completer(complete)
    readline.parse_and_bind("tab: complete")
    return input
