"""Migration and the jobs of domains."""

from __future__ import annotations

# fmt: off
ROWS = (
    (61, "DOMAIN_MIGRATE_PREPARE",
     "uri_in: string?, flags: uhyper, dname: string?, resource: uhyper",
     "cookie: opaque<4194304>, uri_out: string?", ""),
    (62, "DOMAIN_MIGRATE_PERFORM",
     "dom: domain, cookie: opaque<4194304>, uri: string, flags: uhyper, dname: string?, "
     "resource: uhyper", "", ""),
    (63, "DOMAIN_MIGRATE_FINISH",
     "dname: string, cookie: opaque<4194304>, uri: string, flags: uhyper", "ddom: domain", ""),
    (108, "DOMAIN_MIGRATE_PREPARE2",
     "uri_in: string?, flags: uhyper, dname: string?, resource: uhyper, dom_xml: string",
     "cookie: opaque<4194304>, uri_out: string?", ""),
    (109, "DOMAIN_MIGRATE_FINISH2",
     "dname: string, cookie: opaque<4194304>, uri: string, flags: uhyper, retcode: int",
     "ddom: domain", ""),
    (148, "DOMAIN_MIGRATE_PREPARE_TUNNEL",
     "flags: uhyper, dname: string?, resource: uhyper, dom_xml: string", "", "writes"),
    (163, "DOMAIN_GET_JOB_INFO", "dom: domain",
     "type: int, timeElapsed: uhyper, timeRemaining: uhyper, dataTotal: uhyper, "
     "dataProcessed: uhyper, dataRemaining: uhyper, memTotal: uhyper, memProcessed: uhyper, "
     "memRemaining: uhyper, fileTotal: uhyper, fileProcessed: uhyper, fileRemaining: uhyper", "ro"),
    (164, "DOMAIN_ABORT_JOB", "dom: domain", "", ""),
    (166, "DOMAIN_MIGRATE_SET_MAX_DOWNTIME", "dom: domain, downtime: uhyper, flags: uint", "", ""),
    (207, "DOMAIN_MIGRATE_SET_MAX_SPEED", "dom: domain, bandwidth: uhyper, flags: uint", "", ""),
    (213, "DOMAIN_MIGRATE_BEGIN3",
     "dom: domain, xmlin: string?, flags: uhyper, dname: string?, resource: uhyper",
     "cookie_out: opaque<4194304>, xml: string", ""),
    (214, "DOMAIN_MIGRATE_PREPARE3",
     "cookie_in: opaque<4194304>, uri_in: string?, flags: uhyper, dname: string?, "
     "resource: uhyper, dom_xml: string", "cookie_out: opaque<4194304>, uri_out: string?", ""),
    (215, "DOMAIN_MIGRATE_PREPARE_TUNNEL3",
     "cookie_in: opaque<4194304>, flags: uhyper, dname: string?, resource: uhyper, "
     "dom_xml: string", "cookie_out: opaque<4194304>", "writes"),
    (216, "DOMAIN_MIGRATE_PERFORM3",
     "dom: domain, xmlin: string?, cookie_in: opaque<4194304>, dconnuri: string?, "
     "uri: string?, flags: uhyper, dname: string?, resource: uhyper", "cookie_out: opaque<4194304>",
     ""),
    (217, "DOMAIN_MIGRATE_FINISH3",
     "dname: string, cookie_in: opaque<4194304>, dconnuri: string?, uri: string?, "
     "flags: uhyper, cancelled: int", "dom: domain, cookie_out: opaque<4194304>", ""),
    (218, "DOMAIN_MIGRATE_CONFIRM3",
     "dom: domain, cookie_in: opaque<4194304>, flags: uhyper, cancelled: int", "", ""),
    (242, "DOMAIN_MIGRATE_GET_MAX_SPEED", "dom: domain, flags: uint", "bandwidth: uhyper", "quiet"),
    (298, "DOMAIN_GET_JOB_STATS", "dom: domain, flags: uint", "type: int, params: param<64>", "ro"),
    (299, "DOMAIN_MIGRATE_GET_COMPRESSION_CACHE", "dom: domain, flags: uint", "cacheSize: uhyper",
     "quiet"),
    (300, "DOMAIN_MIGRATE_SET_COMPRESSION_CACHE", "dom: domain, cacheSize: uhyper, flags: uint", "",
     ""),
    (302, "DOMAIN_MIGRATE_BEGIN3_PARAMS", "dom: domain, params: param<64>, flags: uint",
     "cookie_out: opaque<4194304>, xml: string", ""),
    (303, "DOMAIN_MIGRATE_PREPARE3_PARAMS",
     "params: param<64>, cookie_in: opaque<4194304>, flags: uint",
     "cookie_out: opaque<4194304>, uri_out: string?", ""),
    (304, "DOMAIN_MIGRATE_PREPARE_TUNNEL3_PARAMS",
     "params: param<64>, cookie_in: opaque<4194304>, flags: uint", "cookie_out: opaque<4194304>",
     ""),
    (305, "DOMAIN_MIGRATE_PERFORM3_PARAMS",
     "dom: domain, dconnuri: string?, params: param<64>, cookie_in: opaque<4194304>, "
     "flags: uint", "cookie_out: opaque<4194304>", ""),
    (306, "DOMAIN_MIGRATE_FINISH3_PARAMS",
     "params: param<64>, cookie_in: opaque<4194304>, flags: uint, cancelled: int",
     "dom: domain, cookie_out: opaque<4194304>", ""),
    (307, "DOMAIN_MIGRATE_CONFIRM3_PARAMS",
     "dom: domain, params: param<64>, cookie_in: opaque<4194304>, flags: uint, cancelled: int", "",
     ""),
    (364, "DOMAIN_MIGRATE_START_POST_COPY", "dom: domain, flags: uint", "", ""),
    (387, "DOMAIN_MIGRATE_GET_MAX_DOWNTIME", "dom: domain, flags: uint", "downtime: uhyper",
     "quiet"),
    (442, "DOMAIN_ABORT_JOB_FLAGS", "dom: domain, flags: uint", "", ""),
)
