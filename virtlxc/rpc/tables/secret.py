"""Secrets."""

from __future__ import annotations

# fmt: off
ROWS = (
    (141, "SECRET_LOOKUP_BY_UUID", "uuid: uuid", "secret: secret", "ro high"),
    (142, "SECRET_DEFINE_XML", "xml: string, flags: uint", "secret: secret", "high"),
    (143, "SECRET_GET_XML_DESC", "secret: secret, flags: uint", "xml: string", "ro high"),
    (144, "SECRET_SET_VALUE", "secret: secret, value: opaque<65536>, flags: uint", "", "high"),
    (145, "SECRET_GET_VALUE", "secret: secret, flags: uint", "value: opaque<65536>", "quiet high"),
    (146, "SECRET_UNDEFINE", "secret: secret", "", "high"),
    (147, "SECRET_LOOKUP_BY_USAGE", "usageType: int, usageID: string", "secret: secret", "ro high"),
)
