"""The system calls that are left to the child: to read, to answer, to manage memory, and to end.

Without them there is no network, no file, no other process. A filter needs no privilege once no program that
is started could gain one, so it holds in a restricted pod as on a laptop. Who cannot have it does not start.
"""

from __future__ import annotations

import errno

import pyseccomp

#: What Python, numpy, OpenVINO, FFmpeg and soxr do once everything is loaded.
ALLOWED = (
    # Recordings, questions and answers, through descriptors that are there; none can be opened.
    *("read", "readv", "pread64", "write", "writev", "lseek", "fstat", "newfstatat", "statx", "close"),
    # Memory.
    *("mmap", "munmap", "mremap", "mprotect", "madvise", "brk"),
    # Threads that are there.
    *(
        "futex",
        "sched_yield",
        "sched_getaffinity",
        "sched_setaffinity",
        "getcpu",
        "rseq",
        "set_robust_list",
        "membarrier",
    ),
    # Time.
    *(
        "clock_gettime",
        "clock_getres",
        "clock_nanosleep",
        "nanosleep",
        "gettimeofday",
        "getrusage",
        "setitimer",
    ),
    # Signals, as far as they are its own.
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall"),
    *("getpid", "gettid", "getrandom", "exit", "exit_group"),
)
#: What nothing of ours does: whoever tries has taken the child over, and is killed before it happens. All
#: else fails with EPERM, as a library may try what it can do without.
DEADLY = (
    *("socket", "socketpair", "connect", "bind", "listen", "accept4", "sendto", "sendmsg", "sendmmsg"),
    *("execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd"),
    *("io_uring_setup", "bpf", "unshare", "setns", "mount", "keyctl"),
)


def restrict() -> None:
    """Leave only these to the process, all its threads included, for good.

    Raises:
        OSError: the kernel knows no such filters, or refuses them.

    """
    syscalls = pyseccomp.SyscallFilter(pyseccomp.ERRNO(errno.EPERM))
    syscalls.set_attr(pyseccomp.Attr.CTL_TSYNC, 1)
    for action, names in ((pyseccomp.ALLOW, ALLOWED), (pyseccomp.KILL_PROCESS, DEADLY)):
        for name in names:
            syscalls.add_rule(action, name)
    syscalls.load()
