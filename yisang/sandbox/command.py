"""The command line that starts a box: bubblewrap, its flags, and which files of the host are to be seen.

Started by root, the box would be root's: root's processes are not counted, and what the kernel lets root do to /proc
and to files it would let the box do, were one flag wrong. So root first becomes nobody. Nobody cannot look into root's
home, where the interpreter may well be; there a first bubblewrap, still as root, makes a view of the file system
that holds these files and the system's, and nothing else.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from yisang.sandbox.unavailable import SandboxUnavailable

NOBODY = 65534
INSIDE = Path(__file__).with_name("inside.py")

NAMESPACES = (
    *("--unshare-user", "--disable-userns", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"),
    "--unshare-cgroup-try",
)
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "PYTHONUTF8": "1",
    # The same code prints its sets in the same order every time, in a cold box and in a warm one.
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    # A thread is a process to the limit, and a warm box must have one thread when it forks.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


@dataclass(frozen=True)
class Interpreter:
    """A Python, the paths outside /usr that it needs, and the folders of its installed packages."""

    executable: str
    needs: tuple[str, ...]
    packages: tuple[str, ...]

    def shown(self) -> dict[str, str]:
        """{path on the host: path in the box}. Packages are moved, as an environment may lie in /tmp, which is hidden."""
        apart = [path for path in self.packages if not _is_below(path, ("/usr", *self.needs))]
        return {path: path for path in self.needs} | {path: f"/packages/{n}" for n, path in enumerate(apart)}

    def path(self) -> list[str]:
        shown = self.shown()
        return [shown.get(path, path) for path in self.packages]


@cache
def own_interpreter() -> Interpreter:
    """The Python that runs this: its binary, its library, and the site-packages of its environment."""
    # The base's and not the environment's, whose binary is a link and needs a file beside it.
    executable = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    library = {
        os.path.join(base, name) for base in (sys.base_prefix, sys.base_exec_prefix) for name in ("lib", "lib64")
    }
    library.add(sysconfig.get_path("stdlib"))
    needs = () if _is_below(executable, ("/usr",)) else (executable,)
    for path in sorted(filter(os.path.isdir, library)):
        if not _is_below(path, ("/usr", *needs)):
            needs = (*needs, path)
    packages = [path for path in sys.path if path.endswith(("site-packages", "dist-packages")) and os.path.isdir(path)]
    return Interpreter(executable, needs, tuple(dict.fromkeys(packages)))


def command(*, warm: bool, disk: int, control: int) -> list[str]:
    """The whole command. /tmp has `disk` bytes; `control` is the handle of the socket for `inside.py`."""
    python = own_interpreter()
    shown = python.shown() | {str(INSIDE): "/inside.py"}
    if warm and any(_is_below(path, ("/tmp",)) for path in shown.values()):
        raise SandboxUnavailable(
            f"the Python of {python.executable} lies in /tmp, of which each run of a warm box has its own",
            "use a Python that is installed elsewhere, or Sandbox(warm=False)",
        )
    inner = [
        *(_find("bwrap"), *NAMESPACES, "--die-with-parent", "--new-session", "--as-pid-1"),
        *_system(),
        *("--dev", "/dev", "--perms", "0755", "--size", str(disk), "--tmpfs", "/tmp"),
        *_shown(shown),
        # What bubblewrap makes is memory without a bound, unless it is closed again.
        *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp", "--clearenv"),
        *(word for name, value in ENVIRONMENT.items() for word in ("--setenv", name, value)),
        *("--cap-drop", "ALL", *(("--cap-add", "CAP_SYS_ADMIN") if warm else ())),
        *("--uid", str(NOBODY), "--gid", str(NOBODY)),
        *(python.executable, "-s", "-S", "-P", "/inside.py"),
        str(control),
    ]
    if os.geteuid() == 0:
        drop = [_find("setpriv"), "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", "--no-new-privs"]
        inner = [
            *_view([path for path in (*shown, inner[0], drop[0]) if not _is_below(path, ("/usr",))]),
            *drop,
            *inner,
        ]
    choom = shutil.which("choom")  # where the machine runs out of memory, the box is what the kernel ends first
    return [choom, "-n", "1000", "--", *inner] if choom else inner


def _view(needs: list[str]) -> list[str]:
    """A file system in which nobody can reach all of `needs`; nothing to do where nobody can anyway."""
    if all(map(_open_to_all, needs)):
        return []
    devices = ("--dev-bind", "/dev", "/dev", "--bind", "/proc", "/proc", "--tmpfs", "/tmp")
    return [_find("bwrap"), "--die-with-parent", *_system(), *devices, *_shown({path: path for path in needs}), "--"]


def _system() -> list[str]:
    """The system's programs and libraries, and how the loader finds them; no other part of /etc."""
    words = ["--ro-bind", "/usr", "/usr"]
    for name in ("/bin", "/sbin", "/lib", "/lib32", "/lib64"):
        if os.path.islink(name):
            words += ["--symlink", os.readlink(name), name]
        elif os.path.isdir(name):
            words += ["--ro-bind", name, name]
    words += ["--perms", "0755", "--dir", "/etc"]
    for name in ("/etc/ld.so.cache", "/etc/alternatives"):
        words += ["--ro-bind-try", name, name]
    return words


def _shown(paths: dict[str, str]) -> list[str]:
    """Binds {host path: path in the box}, read-only. Parents are made first, as else they get the host's mode."""
    parents = {str(parent) for path in paths.values() for parent in Path(path).parents}
    words = [word for parent in sorted(parents - {"/", "/tmp"}) for word in ("--perms", "0755", "--dir", parent)]
    return words + [word for host, path in paths.items() for word in ("--ro-bind", host, path)]


def _open_to_all(path: str) -> bool:
    """Whether every user may read a file, or read and enter a folder."""
    needed = 0o005 if os.path.isdir(path) else 0o004
    readable = os.stat(path).st_mode & needed == needed
    return readable and all(os.stat(folder).st_mode & 0o001 for folder in Path(path).parents)


def _is_below(path: str, folders: tuple[str, ...]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)


def _find(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        package = {"bwrap": "bubblewrap", "setpriv": "util-linux"}[program]
        raise SandboxUnavailable(f"the program {program} is not installed", f"apt-get install {package}")
    return os.path.realpath(found)
