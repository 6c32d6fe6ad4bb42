"""Longshore: a resumable upload server, and a library that a Starlette or FastAPI application mounts.

The rooms, from the top down; a higher one may import a lower one, never the reverse:

- `cli`: the commands; they parse arguments and call one function.
- `client`: what the commands are that talk to a server, here or elsewhere; it knows the server by HTTP alone.
- `app`: the composition root, `build(Settings) -> Starlette`; the only file that names adapters.
- `config` | `http` | `server` | `admin`: the settings; the ASGI edge; uvicorn, set up for uploads; the admin panel.
- `uploads` | `downloads` | `stores` | `lockers` | `db`: the service; giving files back; bytes; leases; records.
- `ports`: the Protocols that those are written against.
- `events` | `metrics`: what happened, as frozen values; what is counted.
- `protocol`: tus 1.0 as pure functions, on the standard library alone.

To embed it, mount `longshore.app.build(longshore.config.Settings())` and run its lifespan within your own:

    uploads = build(Settings(data_dir="/srv/uploads"))

    @asynccontextmanager
    async def lifespan(app):
        async with uploads.router.lifespan_context(uploads):
            yield

    app = Starlette(routes=[Mount("/uploads", uploads)], lifespan=lifespan)
"""

__version__ = "0.1.0"
