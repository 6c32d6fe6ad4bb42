"""The settings: their names, units, defaults and reasons, and the only place that reads the environment.

`load` is how the commands get them: a command-line option wins over the environment, that over `.env` in the
working directory, and that over the default. `python -m longshore.config` prints the table in the README.
"""

import difflib
import logging
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from longshore.config.clients import CLIENT_VARIABLES
from longshore.config.kinds import (
    Algorithms,
    Auth,
    BasePath,
    Boolean,
    Checksum,
    Count,
    DatabaseUrl,
    DataDir,
    DottedPaths,
    Duration,
    Extensions,
    Fsync,
    HeaderNames,
    Host,
    HttpUrl,
    Kind,
    LogFormat,
    LogLevel,
    MetricsAccess,
    OnFailure,
    OptionalCount,
    OptionalSize,
    Origins,
    Password,
    PlainText,
    Port,
    PositiveSeconds,
    PositiveSize,
    PublicUrl,
    Registration,
    Seconds,
    Secret,
    SigningKeys,
    Size,
    TimeToLive,
    Visibility,
    WebhookEvents,
    WebhookSecret,
)

logger = logging.getLogger(__name__)

PREFIX = "LONGSHORE_"
ENV_FILE = ".env"

_SERVICE_LINK = re.compile(r"(tcp|udp|sctp)://")


class SettingsError(Exception):
    """A setting is not usable; str() is one line that names it as the user wrote it and says what would be valid."""


class _Environment(EnvSettingsSource):
    """The environment, less what Kubernetes puts there for a service that happens to be called longshore."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[object, str, bool]:
        value, key, is_complex = super().get_field_value(field, field_name)
        if field_name == "port" and isinstance(value, str) and _SERVICE_LINK.match(value):
            value = None
        return value, key, is_complex


class Settings(BaseSettings):
    """Everything that can be set. The first sentence of a description says what; the rest gives the reason.

    Durations are seconds (float) where they are waited for, and timedeltas where they are added to a time; sizes are
    bytes. An empty variable counts as not set.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=ENV_FILE,
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",  # other programs' variables in .env; unknown LONGSHORE_* ones are warned of in load()
        frozen=True,
        hide_input_in_errors=True,  # the input may be a password
    )

    host: Host = Field(
        "127.0.0.1",
        description="Address to listen on. Only this machine can connect by default, because the server speaks HTTP:"
        " put a proxy with TLS in front before you listen on `0.0.0.0`, which is every interface.",
    )
    port: Port = Field(
        8000, description="TCP port to listen on. 8000, as other ASGI servers; 0 takes any free port and logs which."
    )
    data_dir: DataDir = Field(
        Path("data"),
        description="Directory for the uploaded bytes and the SQLite database. Beside you, so that trying it out needs"
        " no privileges; it is created when missing.",
    )
    database_url: DatabaseUrl = Field(
        SecretStr(""),
        description="Database address, `postgresql://user:password@host/name` or `sqlite:///file`. Empty is"
        " `longshore.db` in the data dir, because one process needs no more. Not an option of the command line,"
        " where other users would see the password.",
    )
    auth: Auth = Field(
        "local",
        description="Who may upload. `local` is users with accounts here, and those of the external issuer if there is"
        " one; `external` the issuer's alone; `none` lets everybody in and does everything for them, which is for"
        " trying out and for servers behind a proxy that checks.",
    )
    admin_password: Password = Field(
        SecretStr(""),
        description="Password of the user `admin`, who is created when there are no users at all. Empty makes one up"
        " and prints it once, so that there is never a password that everybody knows.",
    )
    registration: Registration = Field(
        "off",
        description="Who may make themselves an account. `off`, because it is for the operator to say; `open` lets"
        " everybody, `invite` whoever has a code from `longshore user invite`.",
    )
    visibility: Visibility = Field(
        "shared",
        description="Whom finished uploads are for. `shared` announces, lists and gives them to every user, because a"
        " server is mostly one group's; `private` to their owner and to administrators. Unfinished ones are always"
        " private.",
    )
    access_token_ttl: Duration = Field(
        timedelta(minutes=15),
        description="How long an access token is good. 15 minutes, which bounds what a stolen one is worth; clients get"
        " the next one with their refresh token.",
    )
    refresh_token_ttl: Duration = Field(
        timedelta(days=30),
        description="How long a sign-in lasts without use. A month, so that people who upload now and then stay signed"
        " in.",
    )
    login_attempts: Count = Field(
        10,
        description="Failed sign-ins per account within `LONGSHORE_LOGIN_WINDOW`; five times as many per address. 10,"
        " which stops guessing and forgives mistyping.",
    )
    login_window: PositiveSeconds = Field(
        300.0, description="Seconds over which failed sign-ins are counted. 5 minutes, which a person can wait."
    )
    signing_keys: SigningKeys = Field(
        SecretStr(""),
        description="Keys that local tokens are signed with, `name:base64`, the first signs and all verify. Empty is a"
        " file in the data dir, made on the first start; several processes must be given the same keys.",
    )
    jwt_issuer: PlainText = Field(
        "",
        description="`iss` of the external issuer whose tokens are accepted. Empty accepts none.",
    )
    jwt_audience: PlainText = Field(
        "",
        description="`aud` that tokens of the external issuer must have. Needed with an issuer, because a token that"
        " was made for somebody else must not open anything here.",
    )
    jwt_algorithms: Algorithms = Field(
        ("RS256", "ES256", "EdDSA"),
        description="Algorithms that the external issuer may sign with. Asymmetric ones only, because with a symmetric"
        " one whoever can verify tokens can make them.",
    )
    jwt_public_key: Secret = Field(
        SecretStr(""),
        description="The external issuer's public key: PEM, or the path of a PEM file. For issuers that do not publish"
        " a JWKS.",
    )
    jwt_jwks_url: HttpUrl = Field(
        SecretStr(""),
        description="Where the external issuer publishes its keys (JWKS). Fetched when needed and kept, so that an"
        " issuer that is down for a while does not matter.",
    )
    jwt_roles_claim: PlainText = Field(
        "roles",
        description="Claim of the external issuer's tokens that lists roles. Dots lead into objects, such as"
        " `realm_access.roles` for Keycloak.",
    )
    jwt_admin_role: PlainText = Field(
        "longshore-admin",
        description="Role in that claim whose bearers are administrators here. A name of our own, so that nobody"
        " becomes one by being administrator of something else.",
    )
    jwt_leeway: Seconds = Field(
        30.0, description="Seconds by which clocks may differ when a token's times are checked. 30, as is usual."
    )
    public_url: PublicUrl = Field(
        None,
        description="Base URL under which clients reach the server, without the base path. Empty answers with paths"
        " from the root, which clients resolve rightly behind any proxy that keeps the path; some clients insist"
        " on absolute URLs, aiotus for one.",
    )
    base_path: BasePath = Field(
        "/files", description="Path of the tus endpoint. `/files` is what most tus servers and examples use."
    )
    max_size: OptionalSize = Field(
        None,
        description="Largest upload in bytes. None, because the free disk space bounds it already; clients are told"
        " it as Tus-Max-Size.",
    )
    max_metadata_size: PositiveSize = Field(
        8 * 1024,
        description="Longest Upload-Metadata header field in bytes. 8 KiB, because that is the longest line that nginx"
        " and Apache pass on by default.",
    )
    allowed_extensions: Extensions = Field(
        (),
        description="Extensions of the file names that are taken, such as `.iso,.img,.csv`. Empty takes all; otherwise"
        " the content is checked as well, so that a renamed program does not get in.",
    )
    format_rules: PlainText = Field(
        "",
        description="What the content of a file with an extension must be, as media types by libmagic:"
        " `.png=image/png;.jpg=image/jpeg,image/pjpeg`. Adds to what is known of .iso, .img and .csv, or replaces it.",
    )
    inspect_size: PositiveSize = Field(
        64 * 1024,
        description="First bytes of a file that are looked at as soon as they are there. 64 KiB, which an ISO 9660"
        " image's descriptor is within, so that a wrong file is stopped before gigabytes are sent.",
    )
    quota_daily: OptionalSize = Field(
        10 * 1000**3,
        description="Bytes that one user may upload per day (UTC). 10 GB, which keeps one user from filling the disk"
        " unnoticed; `longshore user quota` sets others per user and role.",
    )
    quota_monthly: OptionalSize = Field(
        100 * 1000**3, description="Bytes that one user may upload per month (UTC). Ten times the daily quota."
    )
    quota_stored: OptionalSize = Field(
        None, description="Bytes that one user may have stored in total. None, because the disk bounds it already."
    )
    quota_unfinished: OptionalCount = Field(
        None,
        description="Unfinished uploads that one user may have at a time. None, because each sets its whole length"
        " aside of the other quotas.",
    )
    hooks: DottedPaths = Field(
        (),
        description="Python classes that have a say in uploads, `package.module.Class`. They run in this process, in"
        " the order given; the README describes their methods.",
    )
    hook_timeout: PositiveSeconds = Field(
        10.0,
        description="Seconds that a hook may take. 10, below what clients wait for an answer; one that takes longer has"
        " failed.",
    )
    webhook_url: HttpUrl = Field(
        SecretStr(""),
        description="Address that is told of uploads by POST, in the JSON of tusd's HTTP hooks. Empty tells nobody. Not"
        " an option of the command line, because it may hold a password.",
    )
    webhook_secret: WebhookSecret = Field(
        SecretStr(""),
        description="Secret that webhooks are signed with (Standard Webhooks), `whsec_…`. Without one the receiver"
        " cannot tell who calls.",
    )
    webhook_events: WebhookEvents = Field(
        ("post-create", "post-finish", "post-terminate", "post-expire", "post-reject"),
        description="What the receiver is told, as `pre-create,post-finish` or `all`. Those that nothing waits for; the"
        " server asks before it goes on for `pre-create`, `pre-finish` and `pre-terminate`.",
    )
    webhook_allow_private: Boolean = Field(
        False,
        description="Whether the receiver may have a private address (or this machine's). Off, so that a name that"
        " suddenly leads inside opens nothing there.",
    )
    webhook_timeout: PositiveSeconds = Field(
        10.0, description="Seconds that the receiver has to answer. 10, below what clients wait for an answer."
    )
    webhook_on_failure: OnFailure = Field(
        "refuse",
        description="What a receiver that does not answer means for what it was asked. `refuse` makes clients try again"
        " later, so that nothing gets in unseen; `allow` goes on without it.",
    )
    webhook_forward_headers: HeaderNames = Field(
        (),
        description="Header fields with credentials that the receiver is told all the same, such as `authorization`."
        " None, because whoever reads them can act as the user.",
    )
    event_retention: TimeToLive = Field(
        timedelta(days=30),
        description="How long it is kept what happened to uploads. A month, for whoever has to look back; what the"
        " webhook receiver has still to be told stays.",
    )
    subscribers: Count = Field(
        10_000,
        description="Connections to `/events` that one process serves at a time. 10,000, which it serves with ease;"
        " each needs an open file and some memory, and whoever comes after them is to try again.",
    )
    subscribers_per_user: Count = Field(
        100,
        description="Connections to `/events` that one user may have at a time in one process. 100, more than anybody"
        " opens tabs, so that one user's runaway program takes no place from others.",
    )
    unfinished_ttl: TimeToLive = Field(
        timedelta(days=7),
        description="How long an unfinished upload is kept after its last byte. A week, so that one which stopped on a"
        " Friday goes on after the holidays; 0 or `never` keeps it for good.",
    )
    finished_ttl: TimeToLive = Field(
        None,
        description="How long a finished upload is kept. Never deleted by default, because nobody expects a server to"
        " lose a file that it has accepted.",
    )
    sweep_interval: PositiveSeconds = Field(
        60.0,
        description="Seconds between searches for expired uploads. 60, because expiry is counted in days and a search"
        " is cheap.",
    )
    fsync: Fsync = Field(
        "finish",
        description="When bytes are forced to the disk. `finish` does so once, before an upload is called finished;"
        " `always` before every answer, which is slower; `never` trusts the power supply.",
    )
    checksum: Checksum = Field(
        "sha256",
        description="Checksum of finished files that the server computes, for whoever downloads one to verify it."
        " `sha256`, in the background and at a low priority; `none` spares the disk from reading each file once.",
    )
    disk_reserve: Size = Field(
        8 * 1024**2,
        description="Bytes of the disk that uploads leave free. 8 MiB, so that the database can still write when"
        " uploads have filled the disk.",
    )
    checkpoint_interval: PositiveSeconds = Field(
        1.0,
        description="Seconds between commits of the offset while bytes arrive. 1, because a crash then costs a second"
        " of the upload and the database hardly notices.",
    )
    body_idle_timeout: PositiveSeconds = Field(
        60.0,
        description="Seconds without a byte after which a request is ended and what arrived is kept. 60, because"
        " mobile networks pause that long, and a dead connection holds its upload until then.",
    )
    socket_bodies: Boolean = Field(
        True,
        description="Whether bodies are read straight from the socket where that is possible. On, because it is about"
        " twice as fast; off is a way out should it ever be at fault.",
    )
    buffer_memory: PositiveSize = Field(
        64 * 1024**2,
        description="Bytes of memory for bodies on their way to the disk, all together. 64 MiB, which is far more than"
        " a disk can take at a time; with less, pieces and threads are fewer.",
    )
    lock_timeout: Seconds = Field(
        10.0,
        description="Seconds that a request waits for another one to let go of the upload, before it is answered 423."
        " 10, well below what clients wait for an answer.",
    )
    stall_threshold: Seconds = Field(
        0.5,
        description="Seconds without a byte after which a status request may end the transfer. 0.5, longer than the"
        " gaps of a healthy transfer and short enough for a client that comes back.",
    )
    grace_period: Seconds = Field(
        10.0,
        description="Seconds that running requests get to stop on shutdown. 10 is plenty for committing what arrived,"
        " which is all that they do; whoever stops the server with a deadline should allow for it.",
    )
    cors_origins: Origins = Field(
        ("*",),
        description="Web origins that may upload, separated by commas. All, because no cookies are used; `none` allows"
        " no other origin.",
    )
    log_level: LogLevel = Field(
        "info", description="Least severe messages to log. `info` tells of starts, stops and trouble."
    )
    log_format: LogFormat = Field(
        "console",
        description="How messages are written. `console` is lines for people; `json` an object in each line, for"
        " programs that collect logs.",
    )
    access_log: Boolean = Field(
        False, description="Whether to log each request. Off, because it costs time at many small requests."
    )
    metrics: MetricsAccess = Field(
        "admin",
        description="Who may read `/metrics` (Prometheus). `admin` asks for the token of an administrator, because"
        " the numbers tell what others do; `open` is for servers that strangers cannot reach, `off` counts nothing.",
    )
    admin_panel: Boolean = Field(
        True,
        description="Whether there is a panel at `/admin`, in which administrators look at users, uploads and events."
        " On, because it can change nothing and asks for their password; only with `LONGSHORE_AUTH=local`.",
    )
    web_client: Boolean = Field(
        True,
        description="Whether browsers get the client at `/`. On, so that people can upload without any program; off"
        " leaves the path free, for servers that other programs alone use.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments over the environment over `.env`."""
        return init_settings, _Environment(settings_cls), dotenv_settings

    @property
    def uploads_dir(self) -> Path:
        """Where the uploaded bytes lie."""
        return self.data_dir / "uploads"

    @property
    def keys_file(self) -> Path:
        """Where the keys lie that tokens are signed with."""
        return self.data_dir / "signing-keys.json"

    @property
    def jobs_file(self) -> Path:
        """Where background work is kept."""
        return self.data_dir / "jobs.db"

    @property
    def embedded(self) -> bool:
        """Whether the database is a SQLite file, which belongs to one process."""
        return self.sqlalchemy_url().startswith("sqlite:")

    def sqlalchemy_url(self) -> str:
        """The database's address as SQLAlchemy takes it. It may hold a password: neither log nor show it."""
        return self.database_url.get_secret_value() or f"sqlite:///{self.data_dir.absolute() / 'longshore.db'}"


def load(**options: object) -> Settings:
    """Read the settings; `options` are what the command line gave, by field name, where None means not given.

    Warns of LONGSHORE_* variables that mean nothing. Raises `SettingsError`.
    """
    if unknown := options.keys() - Settings.model_fields.keys():
        raise TypeError(f"no such settings: {', '.join(sorted(unknown))}")
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    file = _read_env_file()
    _warn_of_strangers(file)
    try:
        settings = Settings(**given)
    except ValidationError as error:
        names = dict.fromkeys(str(problem["loc"][0]) for problem in error.errors(include_input=False))
    else:
        if complaints := "; ".join(_contradictions(settings)):
            raise SettingsError(complaints)
        return settings
    raise SettingsError("; ".join(_complaint(name, given, file) for name in names))


def _contradictions(settings: Settings) -> Iterator[str]:
    """What is wrong about settings that are each valid."""
    has_key = bool(settings.jwt_public_key.get_secret_value())
    has_url = bool(settings.jwt_jwks_url.get_secret_value())
    if settings.auth == "external" and not settings.jwt_issuer:
        yield f"auth external needs {PREFIX}JWT_ISSUER, {PREFIX}JWT_AUDIENCE and its keys"
    if settings.jwt_issuer and not settings.jwt_audience:
        yield f"{PREFIX}JWT_ISSUER needs {PREFIX}JWT_AUDIENCE: tokens made for others must not be accepted"
    if settings.jwt_issuer and has_key == has_url:
        yield f"{PREFIX}JWT_ISSUER needs one of {PREFIX}JWT_PUBLIC_KEY and {PREFIX}JWT_JWKS_URL"
    if not settings.jwt_issuer and (has_key or has_url or settings.jwt_audience):
        yield f"{PREFIX}JWT_AUDIENCE, _JWT_PUBLIC_KEY and _JWT_JWKS_URL mean nothing without {PREFIX}JWT_ISSUER"


def prepare_data_dir(settings: Settings) -> None:
    """Make the data dir and see that it can be written to. Raises `SettingsError`."""
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        settings.uploads_dir.mkdir(mode=0o700, exist_ok=True)
        for directory in (settings.data_dir, settings.uploads_dir):
            with tempfile.TemporaryFile(dir=directory):
                pass
    except OSError as error:
        shown = repr(str(settings.data_dir))
        reason = error.strerror or type(error).__name__
        raise SettingsError(
            f"the data dir {shown} cannot be used ({reason}): use --data-dir or {PREFIX}DATA_DIR to name a directory"
            " that this user may write to"
        ) from None


def _read_env_file() -> dict[str, str]:
    try:
        return {name: value for name, value in dotenv_values(ENV_FILE, encoding="utf-8").items() if value}
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise SettingsError(f"{ENV_FILE} cannot be read ({reason}): make it readable, or remove it") from None


def _warn_of_strangers(file: Mapping[str, str]) -> None:
    known = [*(f"{PREFIX}{name.upper()}" for name in Settings.model_fields), *CLIENT_VARIABLES]
    for variable in sorted({*os.environ, *file}):
        if variable.upper().startswith(PREFIX) and variable.upper() not in known:
            close = difflib.get_close_matches(variable.upper(), known, n=1, cutoff=0.8)
            hint = f"; did you mean {close[0]}?" if close else ""
            logger.warning("%s is not a setting and is ignored%s", variable, hint)
    if _SERVICE_LINK.match(os.environ.get(f"{PREFIX}PORT", "")):
        logger.warning("%sPORT was set by Kubernetes for a service of that name and is ignored", PREFIX)


def _complaint(name: str, given: Mapping[str, object], file: Mapping[str, str]) -> str:
    return f"{_as_written(name, given, file)} is not valid: use {_kind(name).valid}"


def _as_written(name: str, given: Mapping[str, object], file: Mapping[str, str]) -> str:
    if name in given:
        return f"{option(name)}={_shown(name, given[name])}"
    for variables, place in ((os.environ, ""), (file, f" in {ENV_FILE}")):
        for variable, value in variables.items():
            if variable.upper() == f"{PREFIX}{name.upper()}" and value:
                return f"{variable}={_shown(name, value)!r}{place}"
    raise AssertionError(f"the default of {name} is not valid")


def _shown(name: str, value: object) -> str:
    """Return a value fit for an error message: short, in one line, and without what may be a password."""
    text = str(value)
    if Settings.model_fields[name].annotation is SecretStr:
        text = f"{text.partition('://')[0]}://..." if re.match(r"[a-z0-9+]+://", text) else "..."
    text = re.sub(r"://.*@", "://...@", text, flags=re.DOTALL)
    text = text if len(text) <= 80 else f"{text[:77]}..."
    return text if text.isprintable() else ascii(text)[1:-1]


def _kind(name: str) -> Kind:
    return next(item for item in Settings.model_fields[name].metadata if isinstance(item, Kind))


# --- For the command line's help and the README. ---


def option(name: str) -> str:
    """Return the command-line option of a setting."""
    return f"--{name.replace('_', '-')}"


def summary(name: str) -> str:
    """Return what a setting is: the first sentence of its description, without the full stop."""
    return (Settings.model_fields[name].description or "").split(". ")[0].rstrip(".")


def default(name: str) -> str:
    """Return a setting's default as a user would write it; empty where there is none."""
    return _kind(name).write(Settings.model_fields[name].default)


def settings_table() -> str:
    """Return the settings as a Markdown table."""
    rows = [
        f"| `{PREFIX}{name.upper()}` | {f'`{default(name)}`' if default(name) else ''} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| Variable | Default | Meaning |", "| --- | --- | --- |", *rows])
