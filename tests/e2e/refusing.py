"""Run a program on a machine that refuses: `refusing.py CALL=ERROR... -- PROGRAM...` puts a seccomp filter before it, under which those
system calls fail with those errors, for it and all its children. Imported, `machine(...)` is what stands before a server's command."""
import ctypes
import errno
import os
import platform
import struct
import sys

NUMBERS = {  # of system calls, from asm/unistd.h: x86-64, arm64
    "memfd_create": (319, 279), "accept4": (288, 242), "accept": (43, 202), "inotify_init1": (294, 26),
    "inotify_add_watch": (254, 27), "epoll_create1": (291, 20), "clone3": (435, 435), "close_range": (436, 436), "copy_file_range": (326, 285),
    "dup3": (292, 24), "epoll_pwait2": (441, 441), "eventfd2": (290, 19), "faccessat2": (439, 439), "getrandom": (318, 278),
    "io_uring_setup": (425, 425), "membarrier": (324, 283), "openat2": (437, 437), "pidfd_getfd": (438, 438), "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424), "pipe2": (293, 59), "preadv2": (327, 286), "prlimit64": (302, 261), "process_vm_readv": (310, 270),
    "rseq": (334, 293), "sched_getaffinity": (204, 123), "sched_setaffinity": (203, 122), "sendfile": (40, 71), "splice": (275, 76),
    "statx": (332, 291), "timerfd_create": (283, 85), "userfaultfd": (323, 282),
}
ARCH = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column above, AUDIT_ARCH of linux/audit.h
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06  # of classic BPF: linux/filter.h
ALLOW, ERRNO = 0x7FFF0000, 0x00050000


def machine(*refused):
    return [sys.executable, os.path.abspath(__file__), *refused, "--"]


def program(refused):
    """[(number, errno)] as a filter: other architectures and other calls are allowed."""
    column, arch = ARCH[platform.machine()]
    steps = [(LOAD, 0, 0, 4), (JUMP_IF_EQUAL, 1, 0, arch), (RETURN, 0, 0, ALLOW), (LOAD, 0, 0, 0)]
    for name, error in refused:
        steps += [(JUMP_IF_EQUAL, 0, 1, NUMBERS[name][column]), (RETURN, 0, 0, ERRNO | error)]
    return b"".join(struct.pack("HBBI", *step) for step in steps + [(RETURN, 0, 0, ALLOW)])


def refuse(refused):
    text = program(refused)
    code = ctypes.create_string_buffer(text, len(text))
    head = ctypes.create_string_buffer(struct.pack("H6xP", len(text) // 8, ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    for call in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, head, 0, 0)):
        if libc.prctl(*call) != 0:
            raise OSError(ctypes.get_errno(), "prctl: " + os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    at = sys.argv.index("--")
    refuse([(name, getattr(errno, error)) for name, error in (text.split("=") for text in sys.argv[1:at])])
    os.execvp(sys.argv[at + 1], sys.argv[at + 1:])
