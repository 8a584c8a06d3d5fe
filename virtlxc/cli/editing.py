"""Text in the user's editor."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable

from virtlxc.cli.failures import Failed
from virtlxc.cli.session import Session

EDITOR = "vi"
_NOT_FOUND = 127  # a shell's status


def edit_until_taken(
    session: Session,
    get: Callable[[], str],
    take: Callable[[str, bool], None],
    *,
    can_relax: bool = False,
) -> bool:
    """Lets the user edit what ``get`` gives until ``take`` accepts it; False: not changed.

    ``take`` gets the new text, and whether it may skip its checks, and raises Failed. Between the
    reading and the taking somebody else may have changed the same thing: then the user is asked.
    """
    before = get()
    relaxed = False
    text = before
    while True:
        text = edit(text)
        if text == before:
            return False
        answer = "f"
        while answer == "f":
            now = get()
            if now != before:
                message: tuple[str, ...] = (
                    "The XML configuration was changed by another user.",
                )
                before = now
            else:
                try:
                    take(text, relaxed)
                except Failed as failed:
                    message = failed.lines
                else:
                    return True
            answer = _ask(session, message, can_relax and not relaxed)
            if answer == "i":
                relaxed, answer = True, "f"
        if answer == "n":
            raise Failed(*message)


def edit(text: str, suffix: str = ".xml") -> str:
    """The text after the user's editor had it; Failed when the editor does not end well."""
    fd, path = tempfile.mkstemp(prefix="virtlxc", suffix=suffix)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
        _run_editor(path)
        with open(path, encoding="utf-8") as file:
            return file.read()
    finally:
        os.unlink(path)


def _run_editor(path: str) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or EDITOR
    sys.stdout.flush()
    # Through a shell, because EDITOR may have options and quotes of its own.
    ended = subprocess.run(["sh", "-c", f'{editor} "$1"', "sh", path], check=False)
    if ended.returncode == _NOT_FOUND:
        raise Failed(f"there is no editor '{editor}' (set EDITOR to one that is there)")
    if ended.returncode:
        raise Failed(f"the editor '{editor}' ended with status {ended.returncode}")


def _ask(session: Session, message: tuple[str, ...], can_relax: bool) -> str:
    """What to do now: y edit again, n give up, f try again as it is, i try without checks."""
    if not os.isatty(0):
        return "n"
    session.complain(*message)
    answers = "y, n, f" + (", i" if can_relax else "")
    while True:
        try:
            answer = input(f"Try again? [{answers}, ?]: ").strip().lower()
        except EOFError:
            return "n"
        if answer in answers.split(", "):
            return answer
        print("y - yes, start the editor again\nn - no, throw away the changes")
        print("f - force, try again without editing")
        if can_relax:
            print("i - ignore what the checks found, and try again")
