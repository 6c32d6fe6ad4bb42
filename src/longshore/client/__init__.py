"""The command line as a client of a server, here or elsewhere: sending, listing, fetching, and hearing of files.

Knows the server by HTTP alone, and nothing of what it is made of. tuspy speaks tus, httpx HTTP, websockets WebSocket,
and rich draws; none of them is imported before it is needed.
"""
