"""tuspyserver as its documentation sets it up: its router in a FastAPI application."""

import os

from fastapi import FastAPI  # type: ignore[import-not-found, unused-ignore]
from tuspyserver import create_tus_router  # type: ignore[import-not-found]

app = FastAPI()
app.include_router(create_tus_router(prefix="files", files_dir=os.environ["BENCH_DATA_DIR"]))
