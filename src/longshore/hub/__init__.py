"""Telling whoever is connected what happens to uploads.

The table of events is the source: the one `fanout.Hub` of a process reads it on, and passes each event to everybody
who may hear of it. What somebody has missed comes out of the same table, with neither a gap nor a duplicate in between.
"""
