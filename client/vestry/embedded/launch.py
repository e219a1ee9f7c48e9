"""The first breath of a child process: take on its identity, tie its life to ours, become the program.

Run by path in a fresh interpreter (`python -I -S launch.py PARENT SIGNAL IDENTITY UID GID COMMAND…`), not
by `preexec_fn`: code between fork and exec of a program with threads may deadlock.

(1) Identity. `same` changes nothing. `map` enters a user namespace in which we are UID: to the kernel the
    child is still who started it, but `geteuid()` answers UID, which satisfies Postgres. `switch` gives up
    root for UID and GID for good. `reach` does too, but keeps one of root's powers, to reach any file: then
    a program and data work from where UID may not go (capabilities(7), ambient set).
(2) Life. Linux sends SIGNAL when the parent dies, by whatever means. This comes after (1), since a change
    of identity clears it. If the parent died before the request was made, nobody would send the signal:
    so the parent is compared afterwards.
(3) The program replaces the interpreter; its process id stays.
"""

import ctypes
import os
import struct
import sys

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
LINUX_CAPABILITY_VERSION_3 = 0x20080522


def system_call(name: str, *arguments: int | bytes) -> None:
    """Call a function of the C library that Python has no name for.

    Raises:
        OSError: it answered -1.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def map_identity(uid: int, gid: int) -> None:
    """Enter a user namespace in which this process is `uid` and `gid` (user_namespaces(7))."""
    outside_uid, outside_gid = os.geteuid(), os.getegid()
    system_call("unshare", CLONE_NEWUSER)
    # gid_map may only be written once setgroups is denied.
    for name, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {outside_uid} 1"),
        ("gid_map", f"{gid} {outside_gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(line)


def switch_identity(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def switch_but_reach(uid: int, gid: int) -> None:
    """Keep the one capability over the change of user, give up all others, and hand it to the program."""
    system_call("prctl", PR_SET_KEEPCAPS, 1, 0, 0, 0)
    switch_identity(uid, gid)
    only = 1 << CAP_DAC_OVERRIDE
    header = struct.pack("II", LINUX_CAPABILITY_VERSION_3, 0)
    effective_permitted_inheritable = struct.pack("6I", only, only, only, 0, 0, 0)
    system_call("capset", header, effective_permitted_inheritable)
    system_call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def die_with_parent(parent: int, signal: int) -> None:
    """Ask Linux for `signal` when the parent thread ends. Elsewhere `process.py` keeps a watcher."""
    if not sys.platform.startswith("linux"):
        return
    system_call("prctl", PR_SET_PDEATHSIG, signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(0)


def main(arguments: list[str]) -> None:
    parent, signal, identity, uid, gid, *command = arguments
    # (1)
    if identity == "map":
        map_identity(int(uid), int(gid))
    elif identity == "switch":
        switch_identity(int(uid), int(gid))
    elif identity == "reach":
        switch_but_reach(int(uid), int(gid))
    # (2)
    die_with_parent(int(parent), int(signal))
    # (3)
    os.execv(command[0], command)  # noqa: S606 - the command is our own, not a shell line


if __name__ == "__main__":
    main(sys.argv[1:])
