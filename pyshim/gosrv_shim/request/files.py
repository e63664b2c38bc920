"""wsgi.file_wrapper, and which files may leave by sendfile."""

import io
import os
import stat


class FileWrapper:
    """wsgi.file_wrapper (PEP 3333). Returned as it is, the file goes out by sendfile."""

    def __init__(self, filelike, blksize=8192):
        self.filelike = filelike
        self.blksize = blksize
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __getitem__(self, key):
        data = self.filelike.read(self.blksize)
        if data:
            return data
        raise IndexError

    def __iter__(self):
        return self

    def __next__(self):
        data = self.filelike.read(self.blksize)
        if data:
            return data
        raise StopIteration


def sendfile_range(wrapper):
    """(fd, offset, length) of the rest of a regular file, None to iterate instead.

    A file of size 0 may be one of /proc, which have content all the same.
    """
    try:
        file = plain_file(wrapper.filelike)
        if file is None:
            return None
        fd = file.fileno()
        offset = file.tell()
        status = os.fstat(fd)
    except (AttributeError, OSError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
        return None
    return fd, offset, max(0, status.st_size - offset)


def plain_file(filelike):
    """The file whose bytes come out of filelike.read as they are, or None.

    A fileno() proves nothing: gzip's files have that of the compressed one. The owner of
    the method that would be called does, through the wrappers of tempfile and Django, too.
    """
    read = filelike.read
    owner = getattr(getattr(read, "__wrapped__", read), "__self__", None)
    if type(owner) is io.TextIOWrapper:
        owner = owner.buffer
    raw = owner.raw if type(owner) in (io.BufferedReader, io.BufferedRandom) else owner
    return owner if type(raw) is io.FileIO else None
