"""What the fields of requests to the API may hold."""

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

MOST_BYTES: Final = 2**63 - 1
"""The largest number that the databases hold."""

MOST_SECONDS: Final = 100 * 366 * 86400
"""A hundred years: beyond what anybody means, and well within what can be added to a date."""


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the years 1 to 9999") from None


def _as_whole(number: object) -> object:
    """JSON has one kind of number: 5.0 is a whole one (JSON Schema, section 6.1.1 of Validation)."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


WHOLE: Final = BeforeValidator(_as_whole)
"""Takes a whole number however it is written. Stands last, so that the schema has what stands before it."""

Text = Annotated[str, Field(max_length=1024, pattern=r"^[^\x00]*$")]
"""Text without NUL, which PostgreSQL does not take."""

Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A moment with its offset from UTC (RFC 3339)."""

Seconds = Annotated[int, Field(ge=1, le=MOST_SECONDS), WHOLE]

Quota = Annotated[int, Field(ge=0, le=MOST_BYTES), WHOLE]


class Given(BaseModel):
    """A body: nothing is taken for something else, and nothing unknown is passed over."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class Asked(BaseModel):
    """A query, which is all text."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Shown(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True)
