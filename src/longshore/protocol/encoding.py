"""Base64 as RFC 4648 has it, read strictly."""

import base64


def decode_base64(text: str) -> bytes:
    """The bytes that text stands for; raises `ValueError` for characters, padding or a length that Base64 has not."""
    decoded = base64.b64decode(text.encode("ascii"), validate=True)
    if len(text) != 4 * -(-len(decoded) // 3):
        raise ValueError("the padding is too long")
    return decoded
