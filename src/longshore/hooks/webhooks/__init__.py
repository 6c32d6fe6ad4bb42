"""Webhooks: the operator's own systems are asked about uploads, and told of them, over HTTP in tusd's JSON.

- `payload`, `answers`: what is sent, and what may come back.
- `addresses`, `sender`: one signed request to the receiver, at an address that has been vetted.
- `blocking`: a hook that asks before something happens.
- `relay`, `attempts`, `workflows`: events that are recorded with the upload's change are delivered, at least once.
"""
