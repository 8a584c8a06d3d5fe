"""Network filters and their bindings."""

from __future__ import annotations

# fmt: off
ROWS = (
    (175, "NWFILTER_LOOKUP_BY_NAME", "name: string", "nwfilter: nwfilter", "ro high"),
    (176, "NWFILTER_LOOKUP_BY_UUID", "uuid: uuid", "nwfilter: nwfilter", "ro high"),
    (177, "NWFILTER_GET_XML_DESC", "nwfilter: nwfilter, flags: uint", "xml: string", "ro high"),
    (180, "NWFILTER_DEFINE_XML", "xml: string", "nwfilter: nwfilter", "high"),
    (181, "NWFILTER_UNDEFINE", "nwfilter: nwfilter", "", "high"),
    (397, "NWFILTER_BINDING_LOOKUP_BY_PORT_DEV", "name: string", "nwfilter: nwfilter_binding",
     "ro high"),
    (398, "NWFILTER_BINDING_GET_XML_DESC", "nwfilter: nwfilter_binding, flags: uint", "xml: string",
     "ro high"),
    (399, "NWFILTER_BINDING_CREATE_XML", "xml: string, flags: uint", "nwfilter: nwfilter_binding",
     "high"),
    (400, "NWFILTER_BINDING_DELETE", "nwfilter: nwfilter_binding", "", "high"),
    (431, "NWFILTER_DEFINE_XML_FLAGS", "xml: string, flags: uint", "nwfilter: nwfilter", "high"),
)
