"""Hooks: the operator's say in what is uploaded, in this process and over HTTP."""
