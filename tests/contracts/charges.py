"""Whether what is counted of quotas agrees with the uploads that it was counted for."""

from datetime import datetime

from sqlalchemy import Connection, text

from longshore.db.database import Database

# Each finds what does not add up: nothing, when all is well.
CONTRADICTIONS = {
    "stored is the sum of what uploads are charged with": """
        SELECT t.owner, t.stored, COALESCE(SUM(u.charged), 0) FROM totals t LEFT JOIN uploads u ON u.owner = t.owner
        GROUP BY t.owner, t.stored HAVING t.stored <> COALESCE(SUM(u.charged), 0)""",
    "unfinished is the number of unfinished uploads": """
        SELECT t.owner, t.unfinished FROM totals t WHERE t.unfinished <>
        (SELECT COUNT(*) FROM uploads u WHERE u.owner = t.owner AND u.state = 'unfinished')""",
    "every owner has an account": """
        SELECT u.id FROM uploads u WHERE u.owner <> '' AND u.state IN ('unfinished', 'completed')
        AND NOT EXISTS (SELECT 1 FROM totals t WHERE t.owner = u.owner)""",
    "an unfinished upload is charged with what is reserved for it": """
        SELECT u.id, u.charged FROM uploads u WHERE u.state = 'unfinished' AND u.concat NOT LIKE 'final%'
        AND u.charged <> COALESCE((SELECT SUM(r.bytes) FROM reservations r WHERE r.upload_id = u.id), 0)""",
    "an upload with an owner is charged with its length": """
        SELECT u.id, u.charged, u.upload_length FROM uploads u WHERE u.owner <> '' AND u.upload_length IS NOT NULL
        AND (u.state = 'unfinished' AND u.concat NOT LIKE 'final%' OR u.state = 'completed' AND u.concat <> 'partial')
        AND u.charged <> u.upload_length""",
    "a part that is completed is charged with its length or has been taken over": """
        SELECT u.id, u.charged FROM uploads u WHERE u.owner <> '' AND u.concat = 'partial' AND u.state = 'completed'
        AND u.charged NOT IN (0, u.upload_length)""",
    "what is gone, or nobody's, is charged with nothing": """
        SELECT u.id, u.charged FROM uploads u
        WHERE (u.owner = '' OR u.state NOT IN ('unfinished', 'completed')) AND u.charged <> 0""",
    "only unfinished uploads have reservations, and their owner's": """
        SELECT r.upload_id FROM reservations r WHERE NOT EXISTS
        (SELECT 1 FROM uploads u WHERE u.id = r.upload_id AND u.owner = r.owner AND u.state = 'unfinished')""",
    "a day has what is reserved of it": """
        SELECT r.owner, r.day FROM reservations r GROUP BY r.owner, r.day HAVING SUM(r.bytes) >
        COALESCE((SELECT s.bytes FROM usage s WHERE s.owner = r.owner AND s.day = r.day), 0)""",
}


class Days:
    """A clock that is set by hand."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


async def check_charges(database: Database) -> None:
    """Recompute everything that is counted, from the uploads."""

    def check(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
        found = {rule: [tuple(row) for row in connection.execute(text(sql))] for rule, sql in CONTRADICTIONS.items()}
        return {rule: rows for rule, rows in found.items() if rows}

    assert await database.read(check) == {}
