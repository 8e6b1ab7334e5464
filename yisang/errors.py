"""The failures a user meets. Each message is one paragraph: what happened, with which record or file, what to do next.

YisangError (exit 1)        the command failed
├── UsageError (exit 2)     the command, the recipe or a setting is wrong
└── Stopped (exit 3)        stopped half way by a signal or a kill; the same command goes on from there
"""


class YisangError(Exception):
    """A failure with a paragraph for the user; the command line prints it without a traceback."""

    exit_code = 1


class Interrupt(BaseException):
    """Raised by a signal handler in the middle of anything, past every `except Exception`; carries what to tell."""

    def __init__(self, error: "YisangError"):
        super().__init__(str(error))
        self.error = error


class UsageError(YisangError):
    """The command line, a recipe or a setting is wrong: it is to be corrected, not run again."""

    exit_code = 2


class Stopped(YisangError):
    """The run was stopped before its end; the same command continues it."""

    exit_code = 3
