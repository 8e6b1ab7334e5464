"""The system calls that model-written code does without, as a filter for the kernel (seccomp).

Namespaces and limits leave these open: memory that no limit counts (System V and POSIX queues and segments, memfd),
families of sockets that a network namespace does not hold (vsock reaches the host of a virtual machine), tracing, the
limits and the pace of other processes (pid 1 of the box dies of a limit that a run sets it), and the parts of the
kernel with the most faults (io_uring, bpf, user namespaces, mounts). A denied call fails with EPERM,
clone3 with ENOSYS, upon which the C library takes clone, whose flags a filter can read.

Numbers: asm/unistd_64.h and asm-generic/unistd.h of Linux 6; layout: linux/filter.h, linux/seccomp.h, linux/audit.h.
"""

from __future__ import annotations

import errno
import platform
import struct

_DENIED = {
    # name: (x86_64, aarch64)
    "shmget": (29, 194),
    "shmat": (30, 196),
    "semget": (64, 190),
    "msgget": (68, 186),
    "ptrace": (101, 117),
    "syslog": (103, 116),
    "setpriority": (141, 140),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "mount": (165, 40),
    "umount2": (166, 39),
    "sched_setaffinity": (203, 122),
    "mq_open": (240, 180),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "ioprio_set": (251, 30),
    "migrate_pages": (256, 238),
    "unshare": (272, 97),
    "move_pages": (279, 239),
    "perf_event_open": (298, 241),
    "open_by_handle_at": (304, 265),
    "setns": (308, 268),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "sched_setattr": (314, 274),
    "memfd_create": (319, 279),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    "mount_setattr": (442, 442),
    "memfd_secret": (447, 447),
}
_SOCKET, _CLONE, _CLONE3, _PRLIMIT = (41, 198), (56, 220), (435, 435), (302, 261)
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # the column above, AUDIT_ARCH_*

_FAMILIES = (1, 2, 10)  # unix, inet, inet6: what a network namespace holds
_NEW_NAMESPACE = 0x7E020000  # every CLONE_NEW* flag
_X32 = 0x40000000  # the calls of x86_64 a second time, with this bit set

_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06  # BPF codes, all on a constant
_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data (the low half, little endian)
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000


def supported() -> bool:
    return platform.machine() in _MACHINES


def clone_number() -> int:
    return _CLONE[_MACHINES[platform.machine()][0]]


def filter_program() -> bytes:
    """The filter for this machine: an array of struct sock_filter."""
    column, arch = _MACHINES[platform.machine()]
    deny = _op(_RETURN, _ERRNO | errno.EPERM)
    program = [_op(_LOAD, _ARCH), _op(_EQUAL, arch, 1, 0), _op(_RETURN, _KILL), _op(_LOAD, _NUMBER)]
    if platform.machine() == "x86_64":
        program += [_op(_ANY_BIT, _X32, 0, 1), deny]
    for numbers in _DENIED.values():
        program += [_op(_EQUAL, numbers[column], 0, 1), deny]
    program += [_op(_EQUAL, _CLONE3[column], 0, 1), _op(_RETURN, _ERRNO | errno.ENOSYS)]
    program += [_op(_EQUAL, _CLONE[column], 0, 4), _op(_LOAD, _FIRST_ARGUMENT)]
    program += [_op(_ANY_BIT, _NEW_NAMESPACE, 0, 1), deny, _op(_RETURN, _ALLOW)]
    program += [_op(_EQUAL, _PRLIMIT[column], 0, 4), _op(_LOAD, _FIRST_ARGUMENT)]
    program += [_op(_EQUAL, 0, 1, 0), deny, _op(_RETURN, _ALLOW)]  # its own limits are process 0's
    program += [_op(_EQUAL, _SOCKET[column], 0, len(_FAMILIES) + 2), _op(_LOAD, _FIRST_ARGUMENT)]
    for left, family in zip(range(len(_FAMILIES), 0, -1), _FAMILIES, strict=True):
        program.append(_op(_EQUAL, family, left, 0))
    program += [deny, _op(_RETURN, _ALLOW)]
    return b"".join(program)


def _op(code: int, constant: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One instruction; a jump skips as many instructions as it says."""
    return struct.pack("=HBBI", code, if_true, if_false, constant)
