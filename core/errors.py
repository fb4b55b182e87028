"""Errors say who must act. The docstring is the default text; every text says what happened, with which
value, and what to do next. Foreign exceptions are translated at the wall with ``raise ... from``.
"""

from __future__ import annotations


class FootnoteError(Exception):
    """Something went wrong inside Footnote."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class UserError(FootnoteError):
    """That could not be done. Say it differently and try again."""

    # Shown to the person verbatim; caught by the responder.


class ConfigError(FootnoteError):
    """A setting is missing or wrong."""

    # The process refuses to start and names the setting; caught by the command line.


class AuthError(FootnoteError):
    """The source refused our credentials. Renew them in the settings; the next sync picks them up."""

    # No retries help, an operator must act; caught by the worker.


class TransientError(FootnoteError):
    """The service did not answer. It is tried again."""

    # Retried with jitter by the one retry policy.

    def __init__(self, message: str | None = None, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds that the service asked us to wait, if it said so."""


class DocumentError(FootnoteError):
    """This document could not be read."""

    # This document only: the sync goes on and reports it.
