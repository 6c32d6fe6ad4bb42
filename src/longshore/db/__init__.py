"""The database: tables, engines, the batching writer, repositories, and the migrations' front door.

The only room that knows SQLAlchemy. Everything here is plain synchronous Core that runs on SQLite and on PostgreSQL;
`database.Database` carries it out away from the event loop.
"""
