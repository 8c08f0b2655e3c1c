"""Start one child the way Tradepit needs it, then become that child (exec).

    python -I -S launch.py PARENT_PID DEATH_SIGNAL USER COMMAND [ARGUMENT...]

DEATH_SIGNAL is sent by the kernel when the parent dies, so that a killed supervisor leaves nothing
behind. USER is `-` (stay who we are), `uid:gid`, or `uid:gid:search`; the last keeps the right to
enter folders, and nothing else of root's, for a server that refuses to run as root although its
files lie below a folder that only root may enter, such as /root.

This is a program of its own and not a `preexec_fn`: that one runs Python between fork and exec, and
deadlocks when another thread of the parent holds a lock at that moment.

It imports nothing of Tradepit: it must start in milliseconds. Exit code 127 and one sentence on
stderr: the child could not be started.
"""

import ctypes  # here, not where it is used: as another user we may not reach Python's own files
import os
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_GET_SECUREBITS = 27
PR_SET_SECUREBITS = 28
SECBIT_NO_SETUID_FIXUP = 1 << 2
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1  # ignore all permission bits; what Docker's root has
CAP_DAC_READ_SEARCH = 2  # enter and read any folder; less, and therefore the first choice
CAPABILITY_VERSION_3 = 0x20080522


def fail(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
    os._exit(127)


def permitted_capabilities() -> int:
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("CapPrm:"):
                return int(line.split()[1], 16)
    return 0


def become(uid: int, gid: int, search: bool) -> None:
    """Give up root for good. With `search`, one capability survives the change and the exec."""
    if not search:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    permitted = permitted_capabilities()
    wanted = [c for c in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE) if permitted >> c & 1]
    if not wanted:
        fail(
            "the server may not run as root, and its folder lies below one that only root may "
            "enter: choose a data folder (and an installation) that every user may enter"
        )
    libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    # Or access(2), with which initdb looks for its server, would not count the capability.
    securebits = libc.prctl(PR_GET_SECUREBITS, 0, 0, 0, 0)
    libc.prctl(PR_SET_SECUREBITS, securebits | SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    mask = 1 << wanted[0]
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    if (
        libc.capset(header, sets) != 0
        or libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, wanted[0], 0, 0) != 0
    ):
        fail(f"cannot keep the right to enter folders: {os.strerror(ctypes.get_errno())}")


def die_with_parent(parent_pid: int, death_signal: int) -> None:
    """Linux only; elsewhere a killed supervisor's children are ended by the next start."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent_pid:  # it died before we asked
        os._exit(127)


def main(argv: list[str]) -> None:
    parent_pid, death_signal, user, *command = argv
    if user != "-":
        uid, gid, *search = user.split(":")
        become(int(uid), int(gid), bool(search))
    die_with_parent(int(parent_pid), int(death_signal))  # last: a change of user clears it
    try:
        os.execv(command[0], command)  # noqa: S606 -- no shell is the point
    except OSError as error:
        fail(f"cannot start {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
