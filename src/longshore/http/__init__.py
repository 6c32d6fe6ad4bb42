"""The ASGI edge: a request becomes an intent, a reply becomes a response. No SQL, no rules."""
