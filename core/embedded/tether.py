"""``python tether.py LOCK PARENT COMMAND...`` becomes COMMAND, tied to its parent and known to whoever meets its lock.

Run as a script of its own between fork and exec of the embedded Redis server: what happens there must not
run in the forked copy of a program with threads. It imports nothing of Footnote and starts in milliseconds.
LOCK is the number of an inherited, locked file. COMMAND keeps it open, so the lock is held for as long as
COMMAND lives, whatever becomes of the process that started it, and the file tells its process id.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(lock: int, parent: int, command: list[str]) -> None:
    # The keeper ignores it, and what is ignored stays so across exec.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        # It died before this process was tied to it.
        sys.exit(1)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    os.set_inheritable(lock, True)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
