"""Who asks, and what they may do: accounts, passwords, tokens of our own and of another issuer, and the policy.

A token becomes a `principal.Principal` in `authenticator`; whether that one may do what it asks for is a table in
`policy`. `accounts` is what routes and commands call.
"""
