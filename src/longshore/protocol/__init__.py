"""tus 1.0 as pure functions: parse, decide, settle, reply. Values in, values out; no I/O and no clock.

The rules quoted in docstrings are those of the tus resumable upload protocol, version 1.0.0.
"""
