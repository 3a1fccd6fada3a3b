"""Errors a user can cause, each with the exit code of the command line.

A message is one line: what was wrong, the value got, the value wanted, where it came from, what to
do. It names a case, never a path of the user's machine that the user did not type.
"""


def printable(text: str) -> str:
    """The text on one line, what cannot be printed or is no Unicode as \\x1b and the like."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


class LesionsegError(Exception):
    """Base of every error that a user can cause.

    A name from the data may hold line ends or a terminal's codes: a message shows them as escapes.
    """

    exit_code = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(printable(message))


class UsageError(LesionsegError):
    """The command line or the configuration is wrong."""

    exit_code = 2


class NoInputError(LesionsegError):
    """Nothing valid was found to work on."""

    exit_code = 3


class CaseError(LesionsegError):
    """One case is unusable; the other cases go on."""

    exit_code = 4

    def __init__(self, case: str, problem: str) -> None:
        super().__init__(f"case {case}: {problem}")
        self.case = case
        self.problem = printable(problem)

    def __reduce__(self) -> tuple[type["CaseError"], tuple[str, str]]:
        return type(self), (self.case, self.problem)  # can be sent between processes


class OutputError(LesionsegError):
    """The output cannot be written: no permission, or the disk is full."""

    exit_code = 6


class LockedError(LesionsegError):
    """Another run is writing into the same output folder."""

    exit_code = 7


class Stopped(LesionsegError):
    """The run was stopped by the user or the scheduler and can be resumed."""

    exit_code = 75


EXIT_SOME_REJECTED = 5
