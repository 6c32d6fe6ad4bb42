"""`GET /api/configuration`: what a client has to know before anybody has signed in. It tells nothing secret."""

from typing import Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from longshore.http.endpoints import answer_model
from longshore.http.operations import Operation, json_of


class Configuration(BaseModel):
    """What the server allows."""

    auth: Literal["local", "external", "none"] = Field(
        description="`local` has accounts here, `external` takes tokens of another service alone, `none` needs none."
    )
    registration: Literal["off", "open", "invite"] = Field(
        description="Who may make themselves an account: nobody, everybody, or whoever has a code."
    )
    upload_path: str = Field(description="Where uploads are created.")
    max_size: int | None = Field(description="Bytes of one upload; null without a limit. Quotas come on top.")
    checksum: Literal["sha256", "none"] = Field(
        description="Which checksum of completed files is computed, in the background; `none` has none computed."
    )
    allowed_extensions: list[str] = Field(
        description="Extensions of the names that are taken, in lower case, with the dot; none where all are taken."
    )


class ConfigurationEndpoint:
    """Tells it."""

    def __init__(self, configuration: Configuration) -> None:
        """Take what there is to tell, with `upload_path` as it is where the application is not mounted."""
        self._configuration = configuration

    def operations(self) -> list[Operation]:
        """What it does."""
        return [
            Operation(
                method="GET",
                path="/api/configuration",
                id="readConfiguration",
                tag="uploads",
                summary="Read what the server allows",
                handler=self.read,
                answers={200: json_of(Configuration, "What it allows.")},
                access="open",
            )
        ]

    async def read(self, request: Request) -> Response:
        """Answer with what the server allows."""
        path = request.scope.get("root_path", "") + self._configuration.upload_path
        return answer_model(self._configuration.model_copy(update={"upload_path": path}))
