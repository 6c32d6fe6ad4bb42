"""What SQLite's driver raises comes out as what SQLAlchemy raises for it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from longshore.db.driver import driver_of, execute, fetch


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://", hide_parameters=True)
    with engine.connect() as connection:
        execute(driver_of(connection), "CREATE TABLE notes (id integer PRIMARY KEY)")
        yield connection
    engine.dispose()


def refusal(connection: Connection, sql: str, parameters: tuple[object, ...]) -> DBAPIError:
    with pytest.raises(DBAPIError) as refused:
        connection.exec_driver_sql(sql, parameters)
    return refused.value


@pytest.mark.parametrize(
    ("sql", "parameters", "kind"),
    [
        ("INSERT INTO notes VALUES (?)", (1,), IntegrityError),
        ("INSERT INTO nowhere VALUES (?)", (1,), OperationalError),
        ("SELECT abs(?)", (-(2**63),), OperationalError),
    ],
)
def test_raises_as_sqlalchemy_does(
    connection: Connection, sql: str, parameters: tuple[object, ...], kind: type[DBAPIError]
) -> None:
    execute(driver_of(connection), "INSERT INTO notes VALUES (1)")
    expected = refusal(connection, sql, parameters)
    for run in (execute, fetch):
        with pytest.raises(kind) as refused:
            run(driver_of(connection), sql, parameters)
        assert type(refused.value) is type(expected)
        assert str(refused.value) == str(expected)
        assert type(refused.value.orig) is type(expected.orig)


def test_counts_what_changed_and_gives_what_was_found(connection: Connection) -> None:
    driver = driver_of(connection)
    assert execute(driver, "INSERT INTO notes VALUES (?), (?)", (1, 2)) == 2
    assert execute(driver, "UPDATE notes SET id = id + 10 WHERE id = ?", (3,)) == 0
    assert fetch(driver, "SELECT id FROM notes ORDER BY id") == [(1,), (2,)]
