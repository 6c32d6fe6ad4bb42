"""What the panel shows of users, uploads and events. What is not named here never leaves the database."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, Final

from sqladmin import ModelView
from sqlalchemy.orm import registry
from starlette.requests import Request

from longshore.db.tables import events, uploads, users

_mapped: Final = registry()

_NUMBER: Final = re.compile(r"[0-9]{1,18}")


class User:
    """A row of `users`, without the password's hash."""


class Upload:
    """A row of `uploads`, without the metadata but for name and type."""


class Event:
    """A row of `events`, without its data, where headers of requests may be."""


_USER: Final = ("username", "role", "disabled", "created_at", "id")
_UPLOAD: Final = (
    "name",
    "state",
    "upload_offset",
    "upload_length",
    "created_at",
    "owner",
    "updated_at",
    "completed_at",
    "expires_at",
    "media_type",
    "id",
)
_EVENT: Final = ("id", "type", "time", "upload_id", "owner")

_mapped.map_imperatively(User, users, include_properties=_USER)
_mapped.map_imperatively(Upload, uploads, include_properties=_UPLOAD)
_mapped.map_imperatively(Event, events, include_properties=_EVENT)


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _whole_number(number: int) -> str:
    return f"{number:,}"


def _yes_or_no(value: bool) -> str:
    return "yes" if value else "no"


class _View(ModelView):
    """Only to be looked at."""

    can_create = can_edit = can_delete = can_export = can_import = False
    page_size = 25
    column_type_formatters: ClassVar[dict[type, Any]] = {
        datetime: _moment,
        bool: _yes_or_no,
        type(None): lambda _: "",
    }


def views() -> Sequence[type[ModelView]]:
    """The views, made anew for each panel: sqladmin notes in the class whose they are."""

    class Uploads(_View, model=Upload):
        name = "Upload"
        name_plural = "Uploads"
        icon = "fa-solid fa-file-arrow-up"
        column_list = _UPLOAD[:6]
        column_details_list = _UPLOAD
        column_searchable_list = ("name", "id", "owner")
        column_sortable_list = ("name", "state", "upload_length", "created_at")
        column_default_sort = ("created_at", True)
        column_labels: ClassVar[dict[Any, str]] = {
            "name": "Name",
            "state": "State",
            "upload_offset": "Received (bytes)",
            "upload_length": "Length (bytes)",
            "owner": "Owner",
            "created_at": "Created",
            "updated_at": "Last change",
            "completed_at": "Completed",
            "expires_at": "Expires",
            "media_type": "Type, as the client says",
            "id": "Id",
        }
        column_type_formatters: ClassVar[dict[type, Any]] = {**_View.column_type_formatters, int: _whole_number}

    class Users(_View, model=User):
        name = "User"
        name_plural = "Users"
        icon = "fa-solid fa-user"
        column_list = _USER
        column_details_list = _USER
        column_searchable_list = ("username", "id")
        column_sortable_list = ("username", "role", "disabled", "created_at")
        column_default_sort = "username"
        column_labels: ClassVar[dict[Any, str]] = {
            "username": "Name",
            "role": "Role",
            "disabled": "Disabled",
            "created_at": "Created",
            "id": "Id",
        }

    class Events(_View, model=Event):
        name = "Event"
        name_plural = "Events"
        icon = "fa-solid fa-clock-rotate-left"
        column_list = _EVENT
        column_details_list = _EVENT
        column_searchable_list = ("type", "upload_id", "owner")
        column_sortable_list = ("id", "time")
        column_default_sort = ("id", True)
        column_labels: ClassVar[dict[Any, str]] = {
            "id": "Number",
            "type": "What happened",
            "upload_id": "Upload",
            "owner": "Owner",
            "time": "When",
        }

        async def get_object_for_details(self, request: Request) -> Any:
            """The event; None for what is no number that one can have."""
            if not _NUMBER.fullmatch(request.path_params["pk"]):
                return None
            return await super().get_object_for_details(request)

    return [Uploads, Users, Events]
