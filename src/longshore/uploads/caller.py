"""Who asks for something, and on which request."""

from dataclasses import dataclass, field

from longshore.auth.policy import Action, require
from longshore.auth.principal import EVERYBODY, Principal
from longshore.events import RequestInfo
from longshore.ports.hooks import Answer
from longshore.protocol.errors import TusError


@dataclass(slots=True, kw_only=True)
class Caller:
    """The user behind a request."""

    principal: Principal = EVERYBODY
    request: RequestInfo = field(default_factory=RequestInfo)
    answer: Answer | None = None
    """What hooks want the reply to have, should it be a successful one."""

    @property
    def owner(self) -> str:
        """Who owns what this caller creates."""
        return self.principal.subject

    def require(self, action: Action, owner: str | None = None, *, shared: bool = False) -> None:
        """Raise `UploadNotFound` or `Forbidden` unless the caller may do so, with an upload of this owner."""
        require(self.principal, action, owner, shared=shared)

    def may(self, action: Action, owner: str | None = None, *, shared: bool = False) -> bool:
        """Whether the caller may do so."""
        try:
            self.require(action, owner, shared=shared)
        except TusError:
            return False
        return True
