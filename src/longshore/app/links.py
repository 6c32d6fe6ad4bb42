"""Putting together download links, and the keys that sign them."""

from collections.abc import Sequence

from longshore.auth import keyfile
from longshore.auth.keys import KeyRing
from longshore.config import Settings, SettingsError, prepare_data_dir
from longshore.db.database import Database
from longshore.db.links import SqlLinks
from longshore.downloads.linking import Links
from longshore.ports import Clock

_KEYS_FILE = "link-keys.json"
"""In the data dir. Not the file of the keys that sign tokens: a new one of those would end all links."""


def open_links(settings: Settings, database: Database, clock: Clock) -> Links:
    """What the settings say of links. Raises `SettingsError`."""
    return Links(SqlLinks(database), _keys(settings, clock), clock)


def _keys(settings: Settings, clock: Clock) -> Sequence[bytes]:
    """The keys of the setting, which all processes have; else those of a file, which is made on the first start."""
    try:
        if keys := settings.signing_keys.get_secret_value():
            return [KeyRing.from_setting(key).signing.secret for key in keys.split(",")]
        prepare_data_dir(settings)
        return [key.secret for key in keyfile.load(settings.data_dir / _KEYS_FILE, now=clock())]
    except (ValueError, OSError) as error:
        raise SettingsError(f"the keys of download links cannot be used: {error}") from None
