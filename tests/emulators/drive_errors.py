"""Errors in the shapes in which Google answers them."""

from __future__ import annotations

from typing import Any

STATUS = {
    "backendError": 500,
    "internalError": 500,
    "rateLimitExceeded": 403,
    "userRateLimitExceeded": 403,
    "dailyLimitExceeded": 403,
    "insufficientFilePermissions": 403,
    "insufficientPermissions": 403,
    "domainPolicy": 403,
    "accessNotConfigured": 403,
    "exportSizeLimitExceeded": 403,
    "fileNotDownloadable": 403,
    "fileNotExportable": 403,
    "cannotDownloadFile": 403,
    "cannotDownloadAbusiveFile": 403,
    "forbidden": 403,
    "authError": 401,
    "notFound": 404,
    "badRequest": 400,
    "invalid": 400,
}
"""The status that comes with a reason."""

_DOMAINS = {
    "rateLimitExceeded": "usageLimits",
    "userRateLimitExceeded": "usageLimits",
    "dailyLimitExceeded": "usageLimits",
    "accessNotConfigured": "usageLimits",
}
_NAMES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, reason: str, message: str, *, status: int | None = None, location: tuple[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status or STATUS[reason]
        self.reason = reason
        error = {"message": message, "domain": _DOMAINS.get(reason, "global"), "reason": reason}
        if location:
            error |= {"location": location[0], "locationType": location[1]}
        self.body: dict[str, Any] = {"error": {"code": self.status, "message": message, "errors": [error]}}
        if self.status in {401, 429} or reason in {"insufficientPermissions", "accessNotConfigured"}:
            self.body["error"]["status"] = _NAMES[self.status]


def invalid(message: str, parameter: str, *, reason: str = "invalid") -> Refused:
    """A parameter that is not understood."""
    return Refused(reason, message, status=400, location=(parameter, "parameter"))


def not_found(kind: str, id: str) -> Refused:
    """``File`` or ``Shared drive``: there is none, or none for this account."""
    return Refused("notFound", f"{kind} not found: {id}.", location=("fileId" if kind == "File" else "driveId", "parameter"))


class TokenRefused(Exception):
    """The token endpoint's own shape (RFC 6749, 5.2)."""

    def __init__(self, error: str, description: str, *, status: int = 400) -> None:
        super().__init__(description)
        self.status = status
        self.body = {"error": error, "error_description": description}
