"""Everything bbopt raises on purpose: what was expected, what came, what to do."""


class BboptError(Exception):
    """Root of all errors that bbopt raises on purpose."""


class SpaceError(BboptError, ValueError):
    """A space, parameter, condition or known constraint is malformed."""


class DataError(BboptError, ValueError):
    """A value, a set of params or a trial handed to the study cannot be used; nothing was stored."""


class UnsupportedError(BboptError, NotImplementedError):
    """The chosen strategy or function cannot handle this kind of problem."""


class MissingExtra(UnsupportedError, ImportError):
    """An optional package is not installed; the message names it, and the extra that brings it."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(
            f"{what} needs {package}, which bbopt's extra [{extra}] brings: pip install {package}"
        )


class SpaceExhausted(BboptError):
    """Every point of the space has been asked (and ``noise=0`` forbids asking one again)."""


class FitError(BboptError, ArithmeticError):
    """A surrogate could not be fitted; strategies catch this and fall back to a simpler model."""


class JournalError(BboptError):
    """The journal is damaged, belongs to another study, or cannot be read or written."""


class Conflict(JournalError):
    """Somebody else appended to the journal first: read on and try again."""
