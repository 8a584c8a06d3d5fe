"""libvirt-python, one expression at a time; run by Debian's own python3.

Reads lines of JSON with Python source: an expression's value comes back as JSON (bytes as latin-1
text), a statement's as null, libvirt's error as its code, domain and message. ``connection`` is
there; names that statements make stay. The argument is the URI.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

import libvirt
import libvirt_lxc

libvirt.registerErrorHandler(lambda _context, _error: None, None)
libvirt.virEventRegisterDefaultImpl()


def loop() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()


threading.Thread(target=loop, daemon=True).start()
events: list[Any] = []
names: dict[str, Any] = {
    "libvirt": libvirt,
    "libvirt_lxc": libvirt_lxc,
    "time": time,
    "connection": libvirt.open(sys.argv[1]),
    "events": events,
    # A callback for any kind of event: what it was told, with the objects' names for themselves.
    "hear": lambda _connection, *told: events.append(
        [one.name() if hasattr(one, "name") else one for one in told]
    ),
}


def plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)


for line in sys.stdin:
    source = json.loads(line)
    try:
        try:
            code = compile(source, "<test>", "eval")
        except SyntaxError:
            exec(compile(source, "<test>", "exec"), names)
            answer: dict[str, Any] = {"value": None}
        else:
            answer = {"value": plain(eval(code, names))}
    except libvirt.libvirtError as error:
        answer = {
            "error": [
                error.get_error_code(), error.get_error_domain(), error.get_error_message()
            ]
        }
    except Exception as error:
        answer = {"mistake": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
