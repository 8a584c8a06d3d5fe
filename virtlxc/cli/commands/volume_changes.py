"""Storage volumes: making, changing and removing them, and their content."""

from __future__ import annotations

import os

from virtlxc.cli.commands.volumes import IN_POOL, VOL
from virtlxc.cli.failures import Failed
from virtlxc.cli.files import read_text
from virtlxc.cli.grammar import Command, flag, number, rows, text, word
from virtlxc.cli.lookup import find_volume
from virtlxc.cli.named import POOL
from virtlxc.cli.units import to_bytes
from virtlxc.markup import document, tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Session

PREALLOC, REFLINK, VALIDATE = 1, 2, 4
CREATE_BITS = (("prealloc-metadata", PREALLOC), ("reflink", REFLINK), ("validate", VALIDATE))
RESIZE_BITS = (("allocate", 1), ("delta", 2), ("shrink", 4))
WITH_SNAPSHOTS = 2
ALGORITHMS = (
    "zero", "nnsa", "dod", "bsi", "gutmann", "schneier", "pfitzner7", "pfitzner33", "random",
    "trim",
)  # fmt: skip
CHUNK = 256 * 1024
HUGE = (1 << 63) - 1
VALIDATE_FLAG = flag("validate", "check the XML against the schema")
PREALLOC_FLAG = flag("prealloc-metadata", "for qcow2: make room for its own tables at once")
REFLINK_FLAG = flag("reflink", "share the disk's blocks with the original")


def _size(written: str) -> int:
    found = to_bytes(written)
    if found is not None:
        return found
    suffix = written.strip().lstrip("0123456789")
    lines = [f"Malformed size {written}"]
    if suffix != written.strip() and suffix:
        lines.append(f"invalid argument: unknown suffix '{suffix}'")
    raise Failed(*lines)


def _create(session: Session, args: Args) -> None:
    ref = POOL.find(session, args)
    path = args["file"]
    vol = session.call(
        "STORAGE_VOL_CREATE_XML",
        failed=f"Failed to create vol from {path}",
        pool=ref,
        xml=read_text(path),
        flags=args.bits(CREATE_BITS),
    )["vol"]
    session.remark(f"Vol {vol[1]} created from {path}\n")


def _create_as(session: Session, args: Args) -> None:
    ref = POOL.find(session, args)
    name = args["name"]
    xml = _document(session, args, ref)
    if "print-xml" in args:
        session.say(xml)
        return
    session.call(
        "STORAGE_VOL_CREATE_XML",
        failed=f"Failed to create vol {name}",
        pool=ref,
        xml=xml,
        flags=args.bits(CREATE_BITS),
    )
    session.remark(f"Vol {name} created\n")


def _document(session: Session, args: Args, ref: tuple[str, bytes]) -> str:
    inner = [*tag("name", args["name"]), *tag("capacity", _size(args["capacity"]))]
    if "allocation" in args:
        inner += tag("allocation", _size(args["allocation"]))
    if "format" in args:
        inner += tag("target", tag("format", type=args["format"]))
    backing = args.get("backing-vol")
    if backing is not None:
        vol = _backing(session, ref, backing)
        original = tag("path", session.call("STORAGE_VOL_GET_PATH", vol=vol)["name"])
        if "backing-vol-format" in args:
            original += tag("format", type=args["backing-vol-format"])
        inner += tag("backingStore", original)
    return document(tag("volume", inner))


def _backing(session: Session, ref: tuple[str, bytes], given: str) -> tuple[str, str, str]:
    try:
        return find_volume(session, given, ref[0])
    except Failed as error:
        raise Failed(f"failed to get vol '{given}'", *error.lines[1:]) from None


def _create_from(session: Session, args: Args) -> None:
    ref = POOL.find(session, args)
    vol = find_volume(session, args["vol"], args.get("inputpool"), pool_option="inputpool")
    path = args["file"]
    made = session.call(
        "STORAGE_VOL_CREATE_XML_FROM",
        failed=f"Failed to create vol from {path}",
        pool=ref,
        xml=read_text(path),
        clonevol=vol,
        flags=args.bits(CREATE_BITS),
    )["vol"]
    session.remark(f"Vol {made[1]} created from input vol {vol[1]}\n")


def _clone(session: Session, args: Args) -> None:
    vol = find_volume(session, args["vol"], args.get("pool"))
    ref = session.call(
        "STORAGE_POOL_LOOKUP_BY_VOLUME", failed="failed to get parent pool", vol=vol
    )["pool"]
    name = args["newname"]
    xml = session.call("STORAGE_VOL_GET_XML_DESC", vol=vol, flags=0)["xml"]
    xml = _renamed(xml, name)
    if "print-xml" in args:
        session.say(xml)
        return
    session.call(
        "STORAGE_VOL_CREATE_XML_FROM",
        failed=f"Failed to clone vol from {vol[1]}",
        pool=ref,
        xml=xml,
        clonevol=vol,
        flags=args.bits(CREATE_BITS),
    )
    session.remark(f"Vol {name} cloned from {vol[1]}\n")


def _renamed(xml: str, name: str) -> str:
    """The document with another name, written as libxml2 does: with double quotes."""
    from xml.etree import ElementTree

    root = ElementTree.fromstring(xml)
    place = root.find("name")
    if place is None:
        raise Failed("the volume's XML has no name")
    place.text = name
    text = ElementTree.tostring(root, encoding="unicode")
    return text.replace(" />", "/>")


def _delete(session: Session, args: Args) -> None:
    vol = find_volume(session, args["vol"], args.get("pool"))
    session.call(
        "STORAGE_VOL_DELETE",
        failed=f"Failed to delete vol {args['vol']}",
        vol=vol,
        flags=WITH_SNAPSHOTS if "delete-snapshots" in args else 0,
    )
    session.remark(f"Vol {args['vol']} deleted\n")


def _resize(session: Session, args: Args) -> None:
    vol = find_volume(session, args["vol"], args.get("pool"))
    written = args["capacity"]
    # virsh takes a minus sign for a delta that shrinks.
    flags = args.bits(RESIZE_BITS)
    capacity = _size(written[1:] if written.startswith("-") else written)
    if written.startswith("-") and "shrink" not in args:
        raise Failed("negative size requires --shrink")
    if written.startswith("-"):
        flags |= dict(RESIZE_BITS)["delta"]
    way = "by" if "delta" in args else "to"
    session.call(
        "STORAGE_VOL_RESIZE",
        failed=f"Failed to change size of volume '{vol[1]}' {way} {written}",
        vol=vol,
        capacity=capacity,
        flags=flags,
    )
    session.remark(f"Size of volume '{vol[1]}' successfully changed {way} {written}\n")


def _wipe(session: Session, args: Args) -> None:
    vol = find_volume(session, args["vol"], args.get("pool"))
    name = args.get("algorithm")
    failed = f"Failed to wipe vol {args['vol']}"
    if name is None:
        session.call("STORAGE_VOL_WIPE", failed=failed, vol=vol, flags=0)
    elif name in ALGORITHMS:
        session.call(
            "STORAGE_VOL_WIPE_PATTERN",
            failed=failed,
            vol=vol,
            algorithm=ALGORITHMS.index(name),
            flags=0,
        )
    else:
        raise Failed(f"Unsupported algorithm '{name}'")
    session.remark(f"Vol {args['vol']} wiped\n")


def _range(args: Args) -> tuple[int, int]:
    offset = args.integer("offset", least=0, most=HUGE) or 0
    return offset, args.integer("length", least=0, most=HUGE) or 0


def _download(session: Session, args: Args) -> None:
    offset, length = _range(args)
    vol = find_volume(session, args["vol"], args.get("pool"))
    path, failed = args["file"], f"cannot download from volume {args['vol']}"
    _refuse_sparse(args, failed)
    made = not os.path.exists(path)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    except OSError:
        raise Failed(f"cannot create {path}") from None
    try:
        with os.fdopen(fd, "wb") as file:
            stream = session.stream(
                "STORAGE_VOL_DOWNLOAD",
                failed=failed,
                vol=vol,
                offset=offset,
                length=length,
                flags=0,
            )
            while data := stream.recv():
                file.write(data)
            stream.finish()
    except BaseException:
        if made:
            os.unlink(path)
        raise


def _upload(session: Session, args: Args) -> None:
    offset, length = _range(args)
    vol = find_volume(session, args["vol"], args.get("pool"))
    path, failed = args["file"], f"cannot upload to volume {args['vol']}"
    _refuse_sparse(args, failed)
    try:
        file = open(path, "rb")  # noqa: SIM115
    except OSError:
        raise Failed(f"cannot read {path}") from None
    with file:
        stream = session.stream(
            "STORAGE_VOL_UPLOAD", failed=failed, vol=vol, offset=offset, length=length, flags=0
        )
        left = length or HUGE
        while data := file.read(min(CHUNK, left)):
            stream.send(data)
            left -= len(data)
        session.end_stream(stream, f"cannot close volume {args['vol']}")


def _refuse_sparse(args: Args, failed: str) -> None:
    if "sparse" in args:
        raise Failed(failed, "the daemon's streams do not tell of holes (leave --sparse out)")


MOVING = (
    number("offset", "where in the volume to begin, in bytes"),
    number("length", "how many bytes"),
    flag("sparse", "as virsh; the daemon refuses it"),
)

COMMANDS = rows(
    Command(
        "vol-clone",
        "copy a volume within its pool",
        VOL,
        word("newname", "the copy's name"),
        IN_POOL,
        PREALLOC_FLAG,
        REFLINK_FLAG,
        flag("print-xml", "print the XML, and make nothing"),
        run=_clone,
    ),
    Command(
        "vol-create",
        "make a volume from an XML file",
        POOL.option,
        word("file", "the volume's XML", complete="files"),
        PREALLOC_FLAG,
        VALIDATE_FLAG,
        run=_create,
    ),
    Command(
        "vol-create-as",
        "make a volume",
        POOL.option,
        word("name", "the volume's name"),
        word("capacity", "its size, in bytes or with a unit"),
        text("allocation", "how much has its place on the disk at once"),
        text("format", "raw, qcow2 or dir"),
        text("backing-vol", "the volume that a qcow2 volume begins with"),
        text("backing-vol-format", "that volume's format"),
        PREALLOC_FLAG,
        flag("print-xml", "print the XML, and make nothing"),
        run=_create_as,
    ),
    Command(
        "vol-create-from",
        "make a volume from an XML file, with the content of another",
        POOL.option,
        word("file", "the volume's XML", complete="files"),
        VOL,
        text("inputpool", "the other volume's pool: name or UUID", complete="pools"),
        PREALLOC_FLAG,
        REFLINK_FLAG,
        VALIDATE_FLAG,
        run=_create_from,
    ),
    Command(
        "vol-delete",
        "remove a volume",
        VOL,
        IN_POOL,
        flag("delete-snapshots", "its snapshots too; folders have none"),
        run=_delete,
    ),
    Command(
        "vol-download",
        "copy a volume's content into a file",
        VOL,
        word("file", "the file", complete="files"),
        IN_POOL,
        *MOVING,
        run=_download,
    ),
    Command(
        "vol-resize",
        "change a volume's size",
        VOL,
        word("capacity", "the new size, in bytes or with a unit"),
        IN_POOL,
        flag("allocate", "give all of it its place on the disk"),
        flag("delta", "by so much, not to so much"),
        flag("shrink", "allow it to become smaller"),
        run=_resize,
    ),
    Command(
        "vol-upload",
        "copy a file's content into a volume",
        VOL,
        word("file", "the file", complete="files"),
        IN_POOL,
        *MOVING,
        run=_upload,
    ),
    Command(
        "vol-wipe",
        "write zeros over a volume's content",
        VOL,
        IN_POOL,
        text("algorithm", "how: zero"),
        run=_wipe,
    ),
)
