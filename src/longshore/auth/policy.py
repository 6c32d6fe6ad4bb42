"""Who may do what: a table, and the question whether it allows something."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from longshore.auth.principal import Principal, Role
from longshore.protocol.errors import Forbidden, Unauthenticated, UploadNotFound
from longshore.protocol.upload import State, Upload


class Action(StrEnum):
    """What may be asked for. Most concern something that somebody owns: an upload, an account, its usage."""

    CREATE = "create"
    INSPECT = "inspect"
    APPEND = "append"
    TERMINATE = "terminate"
    CONCATENATE = "concatenate"
    """Use an upload as a part of a final one; who makes the final one needs CREATE as well."""
    VIEW = "view"
    """Learn of an upload: see it in lists, read of it, be told what happens to it."""
    DOWNLOAD = "download"
    RENAME = "rename"
    READ_LINKS = "read-links"
    """See and revoke the links that others have made to an upload."""
    READ_USAGE = "read-usage"
    READ_ACCOUNT = "read-account"
    CHANGE_PASSWORD = "change-password"  # noqa: S105 - the name of an action
    MANAGE_USERS = "manage-users"
    CLEAN_UP = "clean-up"
    READ_METRICS = "read-metrics"


class Who(StrEnum):
    """What somebody is to the thing in question."""

    NOBODY = "nobody"
    """Has shown no token."""
    STRANGER = "stranger"
    """Does not own it, or there is nothing to be owned."""
    OWNER = "owner"
    ADMIN = "admin"


class Visibility(StrEnum):
    """Whom completed uploads are for; unfinished ones are their owner's and the admins' always."""

    SHARED = "shared"
    PRIVATE = "private"


class Verdict(StrEnum):
    """What comes of it."""

    ALLOW = "allow"
    UNAUTHENTICATED = "unauthenticated"
    NOT_FOUND = "not-found"
    """Somebody else's upload answers as if there were none, so that ids cannot be tried out."""
    FORBIDDEN = "forbidden"


_ALLOW: Final = Verdict.ALLOW
_UNKNOWN: Final = Verdict.UNAUTHENTICATED
_HIDDEN: Final = Verdict.NOT_FOUND
_DENIED: Final = Verdict.FORBIDDEN


def _row(nobody: Verdict, stranger: Verdict, owner: Verdict, admin: Verdict) -> Mapping[Who, Verdict]:
    return {Who.NOBODY: nobody, Who.STRANGER: stranger, Who.OWNER: owner, Who.ADMIN: admin}


TABLE: Final[Mapping[Action, Mapping[Who, Verdict]]] = {
    # nobody, stranger, owner, admin
    Action.CREATE: _row(_UNKNOWN, _ALLOW, _ALLOW, _ALLOW),
    Action.INSPECT: _row(_UNKNOWN, _HIDDEN, _ALLOW, _ALLOW),
    Action.APPEND: _row(_UNKNOWN, _HIDDEN, _ALLOW, _ALLOW),
    Action.TERMINATE: _row(_UNKNOWN, _HIDDEN, _ALLOW, _ALLOW),
    Action.CONCATENATE: _row(_UNKNOWN, _HIDDEN, _ALLOW, _ALLOW),
    Action.VIEW: _row(_UNKNOWN, _HIDDEN, _ALLOW, _ALLOW),
    Action.DOWNLOAD: _row(_UNKNOWN, _HIDDEN, _ALLOW, _ALLOW),
    Action.RENAME: _row(_UNKNOWN, _HIDDEN, _ALLOW, _ALLOW),
    Action.READ_LINKS: _row(_UNKNOWN, _HIDDEN, _ALLOW, _ALLOW),
    Action.READ_USAGE: _row(_UNKNOWN, _DENIED, _ALLOW, _ALLOW),
    Action.READ_ACCOUNT: _row(_UNKNOWN, _DENIED, _ALLOW, _ALLOW),
    Action.CHANGE_PASSWORD: _row(_UNKNOWN, _DENIED, _ALLOW, _ALLOW),
    Action.MANAGE_USERS: _row(_UNKNOWN, _DENIED, _DENIED, _ALLOW),
    Action.CLEAN_UP: _row(_UNKNOWN, _DENIED, _DENIED, _ALLOW),
    Action.READ_METRICS: _row(_UNKNOWN, _DENIED, _DENIED, _ALLOW),
}

SHARED_TABLE: Final[Mapping[Action, Mapping[Who, Verdict]]] = {
    Action.VIEW: _row(_UNKNOWN, _ALLOW, _ALLOW, _ALLOW),
    Action.DOWNLOAD: _row(_UNKNOWN, _ALLOW, _ALLOW, _ALLOW),
}
"""What holds instead for an upload that is shared: see `is_shared`."""


def who(principal: Principal | None, owner: str | None) -> Who:
    """Tell what somebody is to a thing of this owner; None where there is nothing to be owned."""
    if principal is None:
        return Who.NOBODY
    if principal.role is Role.ADMIN:
        return Who.ADMIN
    return Who.OWNER if principal.subject == owner else Who.STRANGER


def is_shared(upload: Upload, visibility: Visibility) -> bool:
    """Whether an upload is there for every user: one that is completed, and a file rather than a part of one."""
    return visibility is Visibility.SHARED and upload.state is State.COMPLETED and not upload.is_partial


def require(principal: Principal | None, action: Action, owner: str | None = None, *, shared: bool = False) -> None:
    """Return if the table allows it; `shared` says that what it is about is shared.

    Raises `Unauthenticated` where nobody has said who they are, `UploadNotFound` for somebody else's upload, and
    `Forbidden` for anything else that is not theirs to do.
    """
    row = SHARED_TABLE.get(action, TABLE[action]) if shared else TABLE[action]
    match row[who(principal, owner)]:
        case Verdict.UNAUTHENTICATED:
            raise Unauthenticated
        case Verdict.NOT_FOUND:
            raise UploadNotFound
        case Verdict.FORBIDDEN:
            raise Forbidden
