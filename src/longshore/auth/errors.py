"""What accounts refuse. A taken name and the like are 422: upload clients would try again after 409.

See `protocol.errors` for the tree that these belong to, and for what clients make of a status.
"""

import math

from longshore.protocol.errors import TusError, Unauthenticated


class InvalidCredentials(Unauthenticated):
    """The user is unknown or disabled, or the password is wrong: which of them is not told."""

    code = "invalid-credentials"
    title = "User name or password is wrong"


class WrongPassword(TusError):
    """Somebody who is signed in gave another password than theirs. Not 401: their token is good."""

    status = 403
    code = "wrong-password"
    title = "The password is wrong"


class TooManyAttempts(TusError):
    """Too many attempts to sign in have failed of late (RFC 6585, section 4)."""

    status = 429
    code = "too-many-attempts"
    title = "Too many attempts to sign in"

    def __init__(self, retry_after: float) -> None:
        """Take the seconds until there may be another attempt."""
        seconds = max(1, math.ceil(retry_after))
        super().__init__(f"Try again in {seconds} s.", headers=(("Retry-After", str(seconds)),))


class RegistrationOff(TusError):
    """Accounts are made by the operator alone."""

    status = 403
    code = "registration-off"
    title = "Registration is off"


class InvitationInvalid(TusError):
    """The invitation is unknown, used or out of date, or there is none."""

    status = 403
    code = "invitation-invalid"
    title = "The invitation is not valid"


class UserNotFound(TusError):
    """There is no such account here."""

    status = 404
    code = "user-not-found"
    title = "No such user"


class InvalidUsername(TusError):
    """The name is not one that an account may have."""

    status = 422
    code = "invalid-username"
    title = "Invalid user name"


class UsernameTaken(TusError):
    """Somebody else has the name, written in capitals perhaps."""

    status = 422
    code = "username-taken"
    title = "The user name is taken"


class InvalidPassword(TusError):
    """The password is not one that an account may have."""

    status = 422
    code = "invalid-password"
    title = "Invalid password"


class LastAdmin(TusError):
    """Without this one nobody could manage users any more."""

    status = 422
    code = "last-admin"
    title = "This is the last admin"
