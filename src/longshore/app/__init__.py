"""The composition root: from settings to an application. The only file that names adapters."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import anyio.to_thread
from anyio import CapacityLimiter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route

from longshore.admin.panel import Panel
from longshore.app.access import Access, default_quotas, open_access
from longshore.app.api import Parts, api_routes
from longshore.app.links import open_links
from longshore.app.metering import MeteredBudget, MeteredDatabase, Metering
from longshore.app.operating import open_health, open_panel
from longshore.app.webhooks import Webhooks
from longshore.auth.accounts import Accounts
from longshore.auth.policy import Visibility
from longshore.config import Settings, SettingsError, load
from longshore.db import migrate
from longshore.db.database import Database
from longshore.db.digests import SqlDigests
from longshore.db.events import SqlEvents
from longshore.db.probing import count_open_deliveries
from longshore.db.quota_settings import SqlQuotas
from longshore.db.uploads import SqlUploads
from longshore.downloads.linking import Links
from longshore.events import UploadEvent
from longshore.hooks.chain import Chain
from longshore.hooks.formats import Formats, parse_rules
from longshore.hooks.loading import HookNotFound, load_hooks
from longshore.http.cors import Cors
from longshore.http.events import EventsEndpoint
from longshore.http.health import Health
from longshore.http.problems import answer_http_exception
from longshore.http.request_log import noting
from longshore.http.tus import Edge, TusEndpoint
from longshore.hub.fanout import Hub
from longshore.hub.places import Places
from longshore.lockers.memory import MemoryLocker
from longshore.ports import Clock, Emit, Store
from longshore.ports.hooks import HookEvent, Hooks, PostHook
from longshore.protocol.capabilities import EXTENSIONS, Capabilities, Limits
from longshore.server.body import BUFFER_SIZE
from longshore.stores.disk import DiskStore
from longshore.uploads.allowances import Allowances
from longshore.uploads.digests import LEFT_TO_OTHERS, Digesting
from longshore.uploads.service import Tuning, UploadService
from longshore.uploads.speed import Speeds
from longshore.uploads.sweep import Sweep

logger = logging.getLogger(__name__)

ID_BYTES = 16
"""Random bytes in an upload's id: 128 bits, which nobody guesses."""

WORKER_THREADS = 32
"""Threads that pass bodies on, at most; more than disks can make use of, and few enough to cost nothing."""

THREAD_BUFFERS = 2 * BUFFER_SIZE
"""Bytes that such a thread may hold: two buffers, where a body is hashed."""

_TOMBSTONE_TTL = timedelta(days=7)
"""How long removed uploads answer 410 where unfinished uploads do not expire."""

_FORGOTTEN_AT_ONCE = 1000
"""Old events, or links, deleted in one transaction."""

_POST_HOOKS: Mapping[str, PostHook] = {
    "created": "post_create",
    "completed": "post_finish",
    "terminated": "post_terminate",
    "expired": "post_expire",
}

_CONCATENATION = frozenset({"concatenation", "concatenation-unfinished"})


def build(
    settings: Settings,
    *,
    hooks: Sequence[object] = (),
    emit: Emit | None = None,
    clock: Clock | None = None,
) -> Starlette:
    """Put the server together as a Starlette application, to be served or mounted.

    Its lifespan opens the database (and migrates an embedded one), makes the first user, starts the sweep, the
    delivery of webhooks and the computing of checksums, and on the way out commits what is under way; an application
    that mounts it has to run that lifespan within its own. `hooks` have their say after those of the settings; `emit`
    is told what happens to uploads; `clock` is for tests that cannot wait. Its state has the `service`, the
    `capabilities` that it offers, and `stop`, to be called when the server stops, before it waits for requests to end.
    Raises `SettingsError`.
    """
    clock = clock or _utc_now
    metering = Metering(settings)
    database = MeteredDatabase(settings.sqlalchemy_url(), durable=settings.fsync != "never")
    store = DiskStore(settings.uploads_dir, fsync=settings.fsync, reserve=settings.disk_reserve)
    offered = _capabilities(settings, store)
    locker = MemoryLocker()
    threads = max(1, min(WORKER_THREADS, settings.buffer_memory // 2 // THREAD_BUFFERS))
    limiter = CapacityLimiter(threads)
    budget = MeteredBudget(settings.buffer_memory - threads * THREAD_BUFFERS)
    webhooks = Webhooks(settings, database, clock)
    events = SqlEvents(database)
    access = open_access(settings, database, clock)
    access = replace(access, identify=noting(access.identify))
    hub = _hub(settings, events, access, clock)
    speeds = Speeds()
    chain = _chain(settings, [*hooks, hub.progress, speeds], webhooks)
    metering.watch(database, limiter, budget, hub)
    metered_hooks = metering.hooks(chain)
    if webhooks.delivered:
        metering.watch_webhooks(lambda: database.read(count_open_deliveries))
    allowances = Allowances(default_quotas(settings), SqlQuotas(database))
    uploads = SqlUploads(
        database, clock=clock, deliver=webhooks.delivered, keep_headers=settings.webhook_forward_headers
    )
    digesting = _digesting(settings, uploads, store, database, clock)
    service = UploadService(
        uploads=uploads,
        store=store,
        locker=locker,
        limits=_limits(settings),
        tuning=_tuning(settings),
        clock=clock,
        emit=metering.emit(_tell_all(emit or _log_event, metered_hooks, webhooks, hub, digesting)),
        hooks=metered_hooks,
        allowances=allowances,
        new_id=_new_id,
        limiter=limiter,
        visibility=Visibility(settings.visibility),
        progressed=hub.progress.note,
    )
    links = open_links(settings, database, clock)
    sweep = Sweep(
        service.records,
        locker,
        service.assembly,
        others=_forgetting(settings, clock, uploads, events, links, access.accounts),
    )
    edge = Edge(
        base_path=settings.base_path,
        public_url=settings.public_url,
        body_idle_timeout=settings.body_idle_timeout,
    )
    endpoint = TusEndpoint(
        service, offered, edge, identify=access.identify, limiter=limiter, budget=budget, links=links
    )
    routes = _routes(settings.base_path, endpoint)
    origins = settings.cors_origins if settings.auth == "none" else ("*",)
    routes += EventsEndpoint(hub, access.identify, clock, origins=origins).routes()
    routes += api_routes(
        Parts(
            settings=settings,
            database=database,
            service=service,
            locker=locker,
            hooks=metered_hooks,
            speeds=speeds,
            allowances=allowances,
            access=access,
            edge=edge,
            links=links,
            clock=clock,
            capabilities=offered,
        )
    )
    health, panel = open_health(database, store, service.work), open_panel(settings, access)
    routes += [*health.routes(), *metering.routes(access.identify), *([panel.route()] if panel else [])]
    app = Starlette(
        routes=routes,
        middleware=[metering.middleware(), Middleware(Cors, origins=settings.cors_origins)],
        exception_handlers={HTTPException: answer_http_exception},
        lifespan=_lifespan(settings, database, service, sweep, digesting, access, chain, webhooks, hub, health, panel),
    )
    app.router.redirect_slashes = False
    app.state.service = service
    app.state.stop = _stopping(service, hub)
    app.state.capabilities = offered
    app.state.metrics = metering.metrics
    return app


def create() -> Starlette:
    """Put the server together from the environment, for ASGI servers that take a factory.

    `longshore serve` is the faster way: other servers deliver bodies through ASGI and drop trailers.
    """
    return build(load())


def _capabilities(settings: Settings, store: Store) -> Capabilities:
    missing = frozenset() if store.concatenates else _CONCATENATION
    if settings.unfinished_ttl is None and settings.finished_ttl is None:
        missing |= {"expiration"}
    return Capabilities(
        extensions=frozenset(EXTENSIONS) - missing,
        max_size=settings.max_size,
        max_metadata_size=settings.max_metadata_size,
    )


def _routes(base_path: str, endpoint: TusEndpoint) -> list[BaseRoute]:
    paths = (base_path, f"{base_path}/", f"{base_path}/{{upload_id}}")
    return [Route(path, endpoint, include_in_schema=False) for path in paths]


def _limits(settings: Settings) -> Limits:
    return Limits(
        max_size=settings.max_size,
        unfinished_ttl=settings.unfinished_ttl,
        finished_ttl=settings.finished_ttl,
        tombstone_ttl=settings.unfinished_ttl or _TOMBSTONE_TTL,
    )


def _tuning(settings: Settings) -> Tuning:
    return Tuning(
        fsync=settings.fsync,
        checkpoint_interval=settings.checkpoint_interval,
        lock_timeout=settings.lock_timeout,
        stall_threshold=settings.stall_threshold,
    )


def _chain(settings: Settings, hooks: Sequence[object], webhooks: Webhooks) -> Chain:
    """Formats first, which cost nothing; then the operator's classes; the receiver on the network last."""
    try:
        formats = [Formats(settings.allowed_extensions, parse_rules(settings.format_rules))]
        named = load_hooks(settings.hooks)
    except (HookNotFound, ValueError) as error:
        raise SettingsError(str(error)) from error
    asked = [*(formats if settings.allowed_extensions else ()), *named, *hooks, *webhooks.hooks]
    return Chain(asked, timeout=settings.hook_timeout, inspect_size=settings.inspect_size)


def _stopping(service: UploadService, hub: Hub) -> Callable[[], None]:
    def stop() -> None:
        service.work.stop()
        hub.stop()

    return stop


def _hub(settings: Settings, events: SqlEvents, access: Access, clock: Clock) -> Hub:
    return Hub(
        events,
        visibility=Visibility(settings.visibility),
        source=(settings.public_url or "") + settings.base_path,
        retention=settings.event_retention,
        clock=clock,
        review=access.review,
        places=Places(settings.subscribers, settings.subscribers_per_user),
    )


def _digesting(
    settings: Settings, uploads: SqlUploads, store: Store, database: Database, clock: Clock
) -> Digesting | None:
    """Whoever computes the checksums of completed files; None where none are wanted."""
    if settings.checksum == "none":
        return None
    left_to_others = timedelta(0) if settings.embedded else LEFT_TO_OTHERS
    return Digesting(uploads, store, SqlDigests(database), clock, left_to_others=left_to_others)


def _tell_all(emit: Emit, hooks: Hooks, webhooks: Webhooks, hub: Hub, digesting: Digesting | None) -> Emit:
    """Tell of what happened: whoever embeds us, post-hooks, and those who read the events that there is something."""

    def tell(event: UploadEvent) -> None:
        emit(event)
        if (name := _POST_HOOKS.get(event.type)) is not None:
            hooks.tell(name, HookEvent(upload=event.upload, request=event.request))
        webhooks.wake()
        hub.wake()
        if digesting is not None:
            digesting.note(event)

    return tell


def _forgetting(
    settings: Settings,
    clock: Clock,
    uploads: SqlUploads,
    events: SqlEvents,
    links: Links,
    accounts: Accounts | None,
) -> Sequence[Callable[[], Awaitable[None]]]:
    """What the sweep forgets besides uploads: old events and counts, links and sign-ins that have ended."""

    async def forget_events() -> None:
        if settings.event_retention is not None:
            while await events.forget_events(clock() - settings.event_retention, _FORGOTTEN_AT_ONCE):
                pass

    async def forget_usage() -> None:
        await uploads.forget_usage()

    async def forget_links() -> None:
        while await links.records.forget(clock(), _FORGOTTEN_AT_ONCE):
            pass

    async def forget_sign_ins() -> None:
        if accounts is not None:
            await accounts.forget_expired()

    return (forget_events, forget_usage, forget_links, forget_sign_ins)


def _lifespan(
    settings: Settings,
    database: Database,
    service: UploadService,
    sweep: Sweep,
    digesting: Digesting | None,
    access: Access,
    chain: Chain,
    webhooks: Webhooks,
    hub: Hub,
    health: Health,
    panel: Panel | None,
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if settings.embedded:
            await anyio.to_thread.run_sync(migrate.upgrade, settings.sqlalchemy_url())
        async with database:
            await access.ensure_admin()
            in_background = digesting.running() if digesting is not None else nullcontext()
            async with hub.running(), webhooks.delivering(), in_background, _sweeping(sweep, settings.sweep_interval):
                try:
                    yield
                finally:
                    await service.work.drain()
                    await chain.close()
                    await health.close()
                    if panel is not None:
                        await panel.close()

    return lifespan


@asynccontextmanager
async def _sweeping(sweep: Sweep, interval: float) -> AsyncIterator[None]:
    task = asyncio.create_task(sweep.run(interval))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def _new_id() -> str:
    return secrets.token_hex(ID_BYTES)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _log_event(event: UploadEvent) -> None:
    logger.info("upload %s: %s, %s bytes", event.type, event.upload.id, event.upload.length)
