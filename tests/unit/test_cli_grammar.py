"""virsh's grammar: from words to arguments, and what is said about words that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtlxc.cli import grammar, words
from virtlxc.cli.failures import Failed, UsageError
from virtlxc.cli.grammar import Args, Command, alias, flag, number, parse, rest, text, word

COMMAND = Command(
    "try",
    "a command of the test",
    word("domain", ""),
    word("file", ""),
    alias("old", "new"),
    alias("shareable", "mode=shareable"),
    flag("new", ""),
    text("mode", "", named=True),
    text("note", ""),
    number("count", ""),
    rest("more", ""),
    excludes=(("new", "mode"),),
    needs=(("note", "count"),),
)


def given_values(args: Args) -> dict[str, str]:
    names = ("domain", "file", "new", "mode", "note", "count")
    found = {name: args[name] for name in names if name in args and name != "new"}
    if "new" in args:
        found["new"] = "yes"
    if args.rest:
        found["more"] = " ".join(args.rest)
    return found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a b", {"domain": "a", "file": "b"}),
        ("--file b a", {"domain": "a", "file": "b"}),
        ("--file=b --domain=a", {"domain": "a", "file": "b"}),
        ("a --new b", {"domain": "a", "file": "b", "new": "yes"}),
        ("a --old b", {"domain": "a", "file": "b", "new": "yes"}),
        ("a b c", {"domain": "a", "file": "b", "note": "c"}),
        ("a b c 7", {"domain": "a", "file": "b", "note": "c", "count": "7"}),
        ("a b c 7 d e", {"domain": "a", "file": "b", "note": "c", "count": "7", "more": "d e"}),
        ("a b --count 7 c d", {"domain": "a", "file": "b", "note": "c", "count": "7", "more": "d"}),
        ("a b --shareable", {"domain": "a", "file": "b", "mode": "shareable"}),
        ("a b --mode=x=y", {"domain": "a", "file": "b", "mode": "x=y"}),
        ("-- --new --old", {"domain": "--new", "file": "--old"}),
        ("a -- b -- c", {"domain": "a", "file": "b", "note": "--", "count": "c"}),
        ("a -x", {"domain": "a", "file": "-x"}),
        ("a ---", {"domain": "a", "file": "---"}),
    ],
)
def test_words_become_arguments(line: str, expected: dict[str, str]) -> None:
    assert given_values(parse(COMMAND, line.split())) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "command 'try' requires <domain> option|command 'try' requires <file> option"),
        ("a", "command 'try' requires <file> option"),
        ("a b --bogus", "command 'try' doesn't support option --bogus"),
        ("a b --new=x", "invalid '=' after option --new"),
        ("a b --shareable=x", "invalid '=' after option --shareable"),
        ("a b --mode", "expected syntax: --mode <string>"),
        ("a b --count", "expected syntax: --count <number>"),
        ("a b --new --new", "option --new already seen"),
        ("a b --domain c", "option --domain already seen"),
    ],
)
def test_misuse_is_told_in_virshs_words(line: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(COMMAND, line.split())
    assert "|".join(caught.value.lines) == message


def test_a_command_without_places_takes_no_data() -> None:
    with pytest.raises(UsageError, match="unexpected data 'x'"):
        parse(Command("bare", "", flag("all", "")), ["x"])


def test_what_is_verbatim_hides_options_from_us() -> None:
    command = Command(
        "exec", "", word("domain", ""), flag("tty", ""), rest("command", "", verbatim=True)
    )
    args = parse(command, ["a", "--tty", "ls", "--all", "--", "-l"])
    assert ("tty" in args, args.rest) == (True, ["ls", "--all", "--", "-l"])
    assert parse(command, ["a", "--", "--tty"]).rest == ["--tty"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a b --new --mode x", "Options --new and --mode are mutually exclusive"),
        ("a b --note x", "Option --count is required by option --note"),
    ],
)
def test_options_that_do_not_go_together(line: str, message: str) -> None:
    with pytest.raises(Failed, match=message):
        grammar.check(COMMAND, parse(COMMAND, line.split()))


def test_an_empty_value_is_refused_where_it_is_used() -> None:
    args = parse(COMMAND, ["", "b"])
    with pytest.raises(Failed, match="Failed to get option 'domain': Option argument is empty"):
        _ = args["domain"]


@pytest.mark.parametrize("written", ["x", "", "1x", "0x10", "1_0", "2147483648", "1.5", "١x"])
def test_what_is_no_number(written: str) -> None:
    with pytest.raises(Failed) as caught:
        parse(COMMAND, ["a", "b", f"--count={written}"]).integer("count")
    assert caught.value.lines == (
        f"Numeric value '{written}' for <count> option is malformed or out of range",
    )


@pytest.mark.parametrize(("written", "value"), [("7", 7), ("-7", -7), ("+7", 7), (" 7", 7)])
def test_what_is_a_number(written: str, value: int) -> None:
    assert parse(COMMAND, ["a", "b", f"--count={written}"]).integer("count") == value


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("list --all", [["list", "--all"]]),
        ("a;b ; c", [["a"], ["b"], ["c"]]),
        ("a 'b c' \"d;e\"", [["a", "b c", "d;e"]]),
        ('a b\\ c \\"d', [["a", "b c", '"d']]),
        ("a 'b\\c'", [["a", "b\\c"]]),
        ("a # b ; c", [["a"]]),
        ("a #x\nb", [["a"], ["b"]]),
        ("a \\\nb", [["a", "b"]]),
        ("a ''", [["a", ""]]),
        ("a b#c", [["a", "b#c"]]),
        ("", []),
        (" ; ;", []),
    ],
)
def test_lines_become_commands(line: str, expected: list[list[str]]) -> None:
    assert words.split(line) == expected


@pytest.mark.parametrize(("line", "message"), [('a "b', 'missing "'), ("a \\", "dangling \\\\")])
def test_lines_that_do_not_end(line: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        words.split(line)


@given(st.lists(st.text(), min_size=1))
def test_quoted_words_come_back(parts: list[str]) -> None:
    quoted = ['"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"' for part in parts]
    # A backslash before a newline is a continued line, also between quotes.
    if any("\n" in part for part in parts):
        return
    assert words.split(" ".join(quoted)) == [parts]


@given(st.text())
def test_no_line_makes_it_stumble(line: str) -> None:
    try:
        assert all(command for command in words.split(line))
    except UsageError:
        assert '"' in line or "\\" in line
