"""Setting up what settings are read from, and what is said of wrong ones."""

from collections.abc import Mapping

import pytest

from longshore.config import SettingsError, load

PASSWORD = "tops3cret"
SECRETS = {
    "database_url",
    "admin_password",
    "signing_keys",
    "jwt_public_key",
    "jwt_jwks_url",
    "webhook_url",
    "webhook_secret",
}


def environment(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"LONGSHORE_{name}", value)


def complaint(**options: object) -> str:
    with pytest.raises(SettingsError) as caught:
        load(**options)
    return str(caught.value)
