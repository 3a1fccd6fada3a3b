"""Every output file appears whole or not at all: written beside its target, synced, renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lesionseg.errors import OutputError
from lesionseg.storage.lock import check_still_held, mark_of


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in `path`'s folder; on success it becomes `path`, else it vanishes.

    The temporary name ends like the target (".nii.gz" stays ".nii.gz"), as writers look at it.
    Raises OutputError where the folder cannot be written or the disk is full, and as
    `check_still_held` where the run lost its output folder.
    """
    path = Path(path)
    check_still_held(path)
    suffix = "".join(path.suffixes[-2:])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=mark_of(path), suffix=suffix, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise OutputError(
            f"cannot write {path.name}: {error.strerror}; choose another output folder"
        ) from error
    partial = Path(name)
    try:
        yield partial
        with open(partial, "rb+") as written:
            os.fsync(written.fileno())
        with contextlib.suppress(PermissionError):  # file systems without permissions
            os.chmod(partial, 0o666 & ~_umask())
        check_still_held(path)
        os.replace(partial, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise OutputError(
            f"cannot write {path.name}: {error.strerror}; free space or choose another output"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # its folder may be gone
            partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 with unix line ends, atomically; names that are no Unicode escaped."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # Windows cannot open a folder; its rename is already durable
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network shares cannot
            raise
    finally:
        os.close(handle)
