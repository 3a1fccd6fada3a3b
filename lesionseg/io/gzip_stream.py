"""A file that may be gzipped, told by its own bytes; what damages it is one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from isal import igzip
from isal.igzip_lib import IsalError

from lesionseg.errors import CaseError
from lesionseg.storage.text_file import open_regular

GZIP_MAGIC = b"\x1f\x8b"


@contextmanager
def plain_or_gzip(path: Path, case: str) -> Iterator[tuple[BinaryIO, bool]]:
    """The content of a regular file, unpacked where it is gzipped, and whether it was.

    Only a stream that is read to its end has proved its checksum. Raises CaseError where the file
    cannot be read or does not fit into memory, also for what goes wrong while the block reads on.
    """
    try:
        with open_regular(path) as raw:
            zipped = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            if not zipped:
                yield raw, False
                return
            with igzip.IGzipFile(fileobj=raw, mode="rb") as stream:
                yield cast(BinaryIO, stream), True
    except EOFError as error:
        raise CaseError(case, f"{path.name} ends inside its gzip stream; copy it again") from error
    except (igzip.BadGzipFile, IsalError) as error:  # type: ignore[misc]  # a C type
        problem = f"{path.name} has a damaged gzip stream ({error}); copy it again"
        raise CaseError(case, problem) from error
    except MemoryError as error:
        raise CaseError(case, f"{path.name} does not fit into the memory that is left") from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CaseError(case, f"{path.name} cannot be read: {reason}") from error
