"""uvicorn, set up for uploads: the protocol class, and the server that stops without losing bytes."""
