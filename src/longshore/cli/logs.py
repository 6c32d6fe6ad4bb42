"""Logging of the commands: lines on standard error."""

import logging


def configure(level: str) -> None:
    """Log from this level ("info", "debug", …) on; uvicorn's own news of starting and stopping only from debug on."""
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if level == "info":
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)
