"""Who may change an upload: one request at a time, and the next one when that one stops."""
