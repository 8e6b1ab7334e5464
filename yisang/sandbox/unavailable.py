"""Why no box can be opened on this machine, and what mends it. There is no fallback: limits alone are no sandbox."""

from __future__ import annotations

from yisang.errors import YisangError

_SWITCHES = {
    # file: (the value that forbids user namespaces, the command that allows them)
    "/proc/sys/kernel/unprivileged_userns_clone": ("0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": (
        "1",
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    "/proc/sys/user/max_user_namespaces": ("0", "sysctl -w user.max_user_namespaces=16384"),
}
_CONTAINER = (
    "allow user namespaces; in a container for example docker run --security-opt seccomp=unconfined "
    "--security-opt apparmor=unconfined --security-opt systempaths=unconfined"
)


class SandboxUnavailable(YisangError):
    """Code cannot be isolated here, so none was run."""

    def __init__(self, reason: str, mend: str):
        super().__init__(
            f"Model-written code cannot be isolated on this machine, so it is not run: {reason}. To mend it: {mend}."
        )
        self.reason = reason
        self.mend = mend

    def __reduce__(self) -> tuple[type[SandboxUnavailable], tuple[str, str]]:
        return type(self), (self.reason, self.mend)


def unavailable(says: str) -> SandboxUnavailable:
    """The error for a box that did not start; `says` is what bubblewrap, or the program in the box, wrote about it."""
    reason = f"the box did not start ({says.strip() or 'it gave no reason'})"
    if "unknown option" in says.lower():
        return SandboxUnavailable(reason, "install bubblewrap 0.8.0 or newer")
    if "Permission denied" in says and "uid map" not in says and "namespace" not in says:
        mend = "let every user read this Python, its packages and yisang, or do not run it as root"
        return SandboxUnavailable(reason, mend)
    for file, (forbids, mend) in _SWITCHES.items():
        try:
            with open(file) as opened:
                if opened.read().strip() == forbids:
                    return SandboxUnavailable(reason, mend)
        except FileNotFoundError:  # this kernel has no such switch
            continue
    return SandboxUnavailable(reason, _CONTAINER)
