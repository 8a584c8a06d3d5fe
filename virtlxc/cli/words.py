"""A command line as words, the way virsh splits one: quotes, backslashes, ``;`` and comments."""

from __future__ import annotations

from virtlxc.cli.failures import UsageError

BLANK = " \t"


def split(line: str) -> list[list[str]]:
    """The commands of one line, each as its words; UsageError for a quote that has no end."""
    commands: list[list[str]] = []
    words: list[str] = []
    at = 0
    while True:
        while at < len(line) and (line[at] in BLANK or line.startswith("\\\n", at)):
            at += 2 if line[at] == "\\" else 1
        if at >= len(line):
            break
        if line[at] in ";\n":
            commands.append(words)
            words = []
            at += 1
        elif line[at] == "#":
            while at < len(line) and line[at] != "\n":
                at += 1
        else:
            word, at = _word(line, at)
            words.append(word)
    commands.append(words)
    return [words for words in commands if words]


def _word(line: str, at: int) -> tuple[str, int]:
    """The word that begins at ``at``, without its quotes, and the place after it."""
    letters: list[str] = []
    quote = ""
    while at < len(line):
        letter = line[at]
        if not quote and letter in " \t;\n":
            break
        if letter in "'\"" and quote in ("", letter):
            quote = "" if quote else letter
        elif letter == "\\" and quote != "'":
            at += 1
            if at >= len(line):
                raise UsageError("dangling \\")
            if line[at] != "\n":
                letters.append(line[at])
        else:
            letters.append(letter)
        at += 1
    if quote == '"':
        raise UsageError('missing "')
    return "".join(letters), at


def ranges(numbers: list[int]) -> str:
    """Ascending numbers as the kernel writes them: ``0-3,7``."""
    parts: list[list[int]] = []
    for one in numbers:
        if parts and one == parts[-1][1] + 1:
            parts[-1][1] = one
        else:
            parts.append([one, one])
    return ",".join(f"{low}-{high}" if low != high else str(low) for low, high in parts)
