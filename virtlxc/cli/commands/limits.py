"""What a domain may use: memory, processor time, disk."""

from __future__ import annotations

from virtlxc.cli.domains import (
    AFFECT,
    CONFIG,
    DOMAIN,
    EXCLUDES,
    LIVE,
    OF,
    OF_CONFIG,
    OF_CURRENT,
    OF_LIVE,
)
from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Command, alias, number, rest, rows, text
from virtlxc.cli.lookup import domain
from virtlxc.cli.params import (
    BOOLEAN,
    DOUBLE,
    STRING,
    STRING_OKAY,
    UINT,
    ULLONG,
    shown,
    values,
)
from virtlxc.cli.units import KIB, scaled_kib, to_bytes, whole_kib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from virtlxc.cli.grammar import Args
    from virtlxc.cli.params import Param
    from virtlxc.cli.session import Ref, Session

MEMORY_MAXIMUM = 4
PARAMS_MAX = 16
UNLIMITED = 9007199254740991
MEMORY_OPTIONS = ("hard-limit", "soft-limit", "swap-hard-limit", "min-guarantee")
DEVICE_OPTIONS = (
    "device-weights", "device-read-iops-sec", "device-write-iops-sec", "device-read-bytes-sec",
    "device-write-bytes-sec",
)  # fmt: skip


def _setmem(session: Session, args: Args) -> None:
    flags = args.bits(AFFECT) if any(n in args for n in ("config", "live", "current")) else LIVE
    ref = domain(session, args)
    session.call("DOMAIN_SET_MEMORY_FLAGS", dom=ref, memory=scaled_kib(args, "size"), flags=flags)


def _setmaxmem(session: Session, args: Args) -> None:
    ref = domain(session, args)
    session.call(
        "DOMAIN_SET_MEMORY_FLAGS",
        failed="Unable to change MaxMemorySize",
        dom=ref,
        memory=scaled_kib(args, "size"),
        flags=args.bits(AFFECT) | MEMORY_MAXIMUM,
    )


def _memory_limit(written: str) -> int | None:
    """A limit in KiB; a negative one is none at all."""
    if written.startswith("-") and written[1:].isdecimal():
        return UNLIMITED
    size = to_bytes(written, KIB)
    return None if size is None else whole_kib(size)


def _memtune(session: Session, args: Args) -> dict[str, Any]:
    flags = args.bits(AFFECT)
    ref = domain(session, args)
    params: list[Param] = []
    for option in MEMORY_OPTIONS:
        if option in args:
            limit = _memory_limit(args[option])
            if limit is None:
                raise Failed(f"Unable to parse integer parameter {option}")
            params.append((option.replace("-", "_"), ULLONG, limit))
    return _tune(session, ref, params, flags, "MEMORY", "memory")


def _blkiotune(session: Session, args: Args) -> dict[str, Any]:
    flags = args.bits(AFFECT)
    ref = domain(session, args)
    params: list[Param] = []
    weight = args.integer("weight")
    if weight is not None:
        if weight <= 0:
            raise Failed(f"Invalid value of {weight} for I/O weight")
        params.append(("weight", UINT, weight))
    for option in DEVICE_OPTIONS:
        if option in args:
            name = "device_weight" if option == "device-weights" else option.replace("-", "_")
            params.append((name, STRING, args[option]))
    return _tune(session, ref, params, flags, "BLKIO", "blkio")


def _tune(
    session: Session, ref: Ref, params: list[Param], flags: int, call: str, what: str
) -> dict[str, Any]:
    """Sets the parameters, or reads them when none are given."""
    if params:
        session.call(
            f"DOMAIN_SET_{call}_PARAMETERS",
            failed=f"Unable to change {what} parameters",
            dom=ref,
            params=params,
            flags=flags,
        )
        return {}
    found = session.call(
        f"DOMAIN_GET_{call}_PARAMETERS",
        failed=f"Unable to get number of {what} parameters",
        dom=ref,
        nparams=PARAMS_MAX,
        flags=flags | STRING_OKAY,
    )
    return values(found["params"])


def _show_params(data: dict[str, Any], args: Args, quiet: bool) -> str:
    return "".join(
        f"{name:<15}: {'unlimited' if value == UNLIMITED else shown(value)}\n"
        for name, value in data.items()
    )


def _schedinfo(session: Session, args: Args) -> dict[str, Any]:
    flags = args.bits(AFFECT)
    asked = 0 if flags == LIVE | CONFIG else flags
    ref = domain(session, args)
    kind = session.call("DOMAIN_GET_SCHEDULER_TYPE", dom=ref)
    try:
        known = _scheduler(session, ref, kind["nparams"], asked)
        updates = [_update(known, written) for written in _written(args)]
        if updates:
            session.call(
                "DOMAIN_SET_SCHEDULER_PARAMETERS_FLAGS", dom=ref, params=updates, flags=flags
            )
            known = _scheduler(session, ref, kind["nparams"], asked)
        elif flags == LIVE | CONFIG:
            raise Failed("cannot query both live and config at once")
    except Failed:
        # virsh prints what it knows before it asks for more.
        if session.options.output == "text":
            session.say(_show_params({"Scheduler": kind["type"]}, args, session.quiet))
        raise
    return {"Scheduler": kind["type"], **values(known)}


def _scheduler(session: Session, ref: Ref, count: int, flags: int) -> list[Param]:
    found: list[Param] = session.call(
        "DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS",
        dom=ref,
        nparams=count,
        flags=flags | STRING_OKAY,
    )["params"]
    return found


def _written(args: Args) -> list[tuple[str, str]]:
    """What is to be set, as names and values."""
    pairs = []
    for one in args.rest:
        name, equals, value = one.partition("=")
        if not equals:
            raise Failed("Invalid syntax for --set, expecting name=value")
        pairs.append((name, value))
    return pairs + [(name, args[name]) for name in ("cap", "weight") if name in args]


def _update(known: list[Param], written: tuple[str, str]) -> Param:
    name, value = written
    for field, kind, _value in known:
        if field == name:
            return field, kind, _value_of(kind, name, value)
    raise Failed(f"invalid scheduler option: {name}")


def _value_of(kind: int, name: str, value: str) -> Any:
    if kind == STRING:
        return value
    try:
        return float(value) if kind == DOUBLE else int(value)
    except ValueError:
        kind_name = {BOOLEAN: "boolean"}.get(kind, "number")
        raise Failed(
            f"invalid argument: Invalid value for field '{name}': expected {kind_name}"
        ) from None



COMMANDS = rows(
    Command(
        "blkiotune",
        "show or change how a domain may use disks",
        DOMAIN,
        number("weight", "its share"),
        text("device-weights", "its share of each device: PATH,WEIGHT,..."),
        text("device-read-iops-sec", "the most reads a second: PATH,NUMBER,..."),
        text("device-write-iops-sec", "the most writes a second: PATH,NUMBER,..."),
        text("device-read-bytes-sec", "the most bytes read a second: PATH,NUMBER,..."),
        text("device-write-bytes-sec", "the most bytes written a second: PATH,NUMBER,..."),
        *OF,
        read=_blkiotune,
        show=_show_params,
        excludes=EXCLUDES,
    ),
    Command(
        "memtune",
        "show or change how much memory a domain may use",
        DOMAIN,
        number("hard-limit", "the most"),
        number("soft-limit", "the most while others need memory"),
        number("swap-hard-limit", "the most together with swap space"),
        number("min-guarantee", "what it always has"),
        *OF,
        read=_memtune,
        show=_show_params,
        excludes=EXCLUDES,
    ),
    Command(
        "schedinfo",
        "show or change how a domain is given processor time",
        DOMAIN,
        number("weight", "as virsh; other hypervisors have it", named=True),
        number("cap", "as virsh; other hypervisors have it", named=True),
        OF_CURRENT,
        OF_CONFIG,
        OF_LIVE,
        rest("set", "NAME=VALUE"),
        read=_schedinfo,
        show=_show_params,
        excludes=EXCLUDES,
    ),
    Command(
        "setmaxmem",
        "change the most memory a domain may ever use",
        DOMAIN,
        alias("kilobytes", "size"),
        number("size", "the size, in KiB if there is no unit", required=True),
        *OF,
        run=_setmaxmem,
        excludes=EXCLUDES,
    ),
    Command(
        "setmem",
        "change the memory a domain may use now",
        DOMAIN,
        alias("kilobytes", "size"),
        number("size", "the size, in KiB if there is no unit", required=True),
        *OF,
        run=_setmem,
        excludes=EXCLUDES,
    ),
)
