"""resumable-upload as its documentation sets it up: its ASGI application, here without a framework around it."""

import os
from pathlib import Path

from resumable_upload import SQLiteStorage, TusServer  # type: ignore[import-not-found]
from resumable_upload.asgi import TusASGIApp  # type: ignore[import-not-found]

data_dir = Path(os.environ["BENCH_DATA_DIR"])
storage = SQLiteStorage(db_path=str(data_dir / "uploads.db"), upload_dir=str(data_dir / "uploads"))
app = TusASGIApp(TusServer(storage=storage, base_path="/files", checksum_algorithms=("sha1", "sha256")))
