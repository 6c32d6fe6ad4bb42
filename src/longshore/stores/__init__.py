"""Where the bytes of uploads live: in memory, or on a disk. Nothing in here knows of HTTP, users or hooks."""
