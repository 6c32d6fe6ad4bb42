"""The service: it locks, loads, decides, writes, settles, saves and emits; and the sweep that clears up."""
