"""Putting together the API, and the document that describes all there is."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from starlette.routing import Route

from longshore import __version__
from longshore.app.access import Access
from longshore.auth.accounts import Accounts
from longshore.auth.policy import Visibility
from longshore.config import Settings
from longshore.db.database import Database
from longshore.db.listing import SqlListing
from longshore.db.quota_settings import SqlQuotas
from longshore.downloads.linking import Links
from longshore.http.accounts import AccountEndpoints, IdentityEndpoint
from longshore.http.api.links import LinkEndpoints
from longshore.http.api.uploads import UploadEndpoints
from longshore.http.api.users import UserEndpoints
from longshore.http.browser_sessions import BrowserSessions
from longshore.http.configuration import Configuration, ConfigurationEndpoint
from longshore.http.documentation import Documentation, documentation_operations
from longshore.http.openapi import document
from longshore.http.operations import Operation, routes
from longshore.http.service_operations import event_operation, metrics_operation, probe_operations
from longshore.http.tus import Edge
from longshore.http.tus_operations import tus_operations
from longshore.http.usage import UsageEndpoints
from longshore.http.web import WebClient
from longshore.ports import Clock, Locker
from longshore.ports.hooks import Hooks
from longshore.protocol.capabilities import Capabilities
from longshore.uploads.allowances import Allowances
from longshore.uploads.cleanup import Cleanup
from longshore.uploads.gate import Gate
from longshore.uploads.management import Management
from longshore.uploads.service import UploadService
from longshore.uploads.speed import Speeds

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the API is made of."""

    settings: Settings
    database: Database
    service: UploadService
    locker: Locker
    hooks: Hooks
    speeds: Speeds
    allowances: Allowances
    access: Access
    edge: Edge
    links: Links
    clock: Clock
    capabilities: Capabilities


def api_routes(parts: Parts) -> Sequence[Route]:
    """The routes of the API, of accounts, and of the document."""
    operations = [*_uploads(parts), *_accounts(parts), *_client(parts)]
    described = [
        *tus_operations(parts.settings.base_path, parts.capabilities),
        *operations,
        event_operation(),
        *probe_operations(),
        *_metrics(parts.settings),
        *documentation_operations(),
    ]
    written = partial(document, described, version=__version__, authenticated=parts.settings.auth != "none")
    return [*routes(operations), *Documentation(written, public_url=parts.settings.public_url).routes()]


def _uploads(parts: Parts) -> Sequence[Operation]:
    settings, service, identify = parts.settings, parts.service, parts.access.identify
    listing = SqlListing(parts.database, clock=parts.clock)
    management = Management(
        service.records,
        listing,
        parts.locker,
        Gate(parts.hooks, service.records.store),
        parts.speeds,
        visibility=Visibility(settings.visibility),
        max_metadata_size=settings.max_metadata_size,
        lock_timeout=settings.lock_timeout,
    )
    cleanup = Cleanup(service.records, listing, parts.locker, service.work)
    operations = UploadEndpoints(service, management, cleanup, identify, parts.edge.url).operations()
    links = LinkEndpoints(parts.links, service, management, identify, parts.edge.url).operations()
    return [*operations, *links]


def _accounts(parts: Parts) -> Sequence[Operation]:
    """Users, where there are any; where everybody is let in, nobody has an account or quotas."""
    access = parts.access
    if parts.settings.auth == "none":
        return []
    uploads, quotas = parts.service.records.uploads, SqlQuotas(parts.database)
    operations = UsageEndpoints(uploads, parts.allowances, quotas, access.accounts, access.identify).operations()
    operations += IdentityEndpoint(access.identify).operations()
    if access.accounts is not None:
        operations += UserEndpoints(access.accounts, access.identify).operations()
        operations += AccountEndpoints(access.accounts, access.identify).operations()
        operations += _browser_sessions(parts, access.accounts).operations()
    return operations


def _browser_sessions(parts: Parts, accounts: Accounts) -> BrowserSessions:
    settings = parts.settings
    return BrowserSessions(accounts, parts.clock, cookie_ttl=settings.refresh_token_ttl, public_url=settings.public_url)


def _client(parts: Parts) -> Sequence[Operation]:
    """The browser client, where it is wanted and has been built, and what clients have to know."""
    settings = parts.settings
    told = Configuration(
        auth=settings.auth,
        registration=settings.registration if settings.auth == "local" else "off",
        upload_path=settings.base_path,
        max_size=settings.max_size,
        checksum=settings.checksum,
        allowed_extensions=list(settings.allowed_extensions),
    )
    operations = ConfigurationEndpoint(told).operations()
    if settings.web_client:
        if client := WebClient.find(public_url=settings.public_url):
            return [*operations, *client.operations()]
        logger.info("there is no browser client at /, because it has not been built (make web-client)")
    return operations


def _metrics(settings: Settings) -> Sequence[Operation]:
    if settings.metrics == "off":
        return []
    return [metrics_operation(is_public=settings.metrics == "open" or settings.auth == "none")]
