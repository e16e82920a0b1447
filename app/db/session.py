"""The database: one engine, the rules of each kind of it, and sessions that commit at their edge."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Float, create_engine, event, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel import Session, SQLModel

from app.settings import CannotStart

BUSY_S = 15.0
"""How long a write waits for another writer."""
_WRITES = "tradespace_writes"
_REPLAYED = "tradespace_replayed"
_TURN = 5_437_221
"""Of all locks with a number in this database, the one for numbering events."""


class Now(FunctionElement[float]):
    """Seconds since 1970 UTC by the database's own clock."""

    type = Float()
    inherit_cache = True


@compiles(Now, "sqlite")
def _now_sqlite(element: Now, compiler: SQLCompiler, **kwargs: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(Now, "postgresql")
def _now_postgresql(element: Now, compiler: SQLCompiler, **kwargs: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)"


class Database:
    """The one place that holds the truth. Safe to use from many threads."""

    def __init__(self, url: str) -> None:
        """Open lazily; nothing is read or created yet, except the folder of a SQLite file.

        Raises:
            CannotStart: the folder of the database cannot be made.
        """
        self.url = url
        self.is_sqlite = make_url(url).get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(url) if self.is_sqlite else _postgresql_engine(url)
        self._writing = threading.Lock()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one consistent state (SQLite) or committed rows (PostgreSQL), and changes nothing."""
        with Session(self.engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that commits when the block ends, or leaves nothing behind when it raises.

        On SQLite one writer of this process at a time gets in: waiting writers of SQLite itself are not served in order.

        Raises:
            TimeoutError: another writer did not finish in time.
        """
        if not self.is_sqlite:
            with Session(self.engine, expire_on_commit=False) as session, session.begin():
                yield session
            return
        if not self._writing.acquire(timeout=BUSY_S):
            raise TimeoutError("another write takes too long")
        try:
            engine = self.engine.execution_options(**{_WRITES: True})
            with Session(engine, expire_on_commit=False) as session, session.begin():
                yield session
        finally:
            self._writing.release()

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def clock(session: Session) -> float:
    """What the database's clock says now, in seconds since 1970 UTC; in a replay, the moment that is replayed."""
    if (replayed := session.info.get(_REPLAYED)) is not None:
        return float(replayed)
    return float(session.execute(select(Now())).scalar_one())


def replay(session: Session, moment: float | None) -> None:
    """Let it be another moment for what this session does from here on; None lets it be now again.

    So what was measured earlier and elsewhere can be stored by the same functions as everything, with its own times.
    """
    session.info[_REPLAYED] = moment


def in_turn(session: Session) -> None:
    """Let no two transactions number events at a time; the turn ends with the transaction.

    Sequences number rows before their commit, so without this a higher number could be seen before a lower one. SQLite
    has one writer at a time anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_TURN)))


def insert_once(session: Session, table: type[SQLModel], values: Mapping[str, Any]) -> bool:
    """Insert a row unless one with its key is there; two writers at once do not fail. Whether it was inserted."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    source = SQLModel.metadata.tables[str(table.__tablename__)]
    statement = dialect.insert(source).values(**values).on_conflict_do_nothing().returning(*source.primary_key)
    return session.execute(statement).first() is not None


def _sqlite_engine(url: str) -> Engine:
    path = make_url(url).database
    if not path or path == ":memory:":
        raise CannotStart("TRADESPACE_DATABASE_URL: SQLite needs a file, because several connections share it")
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise CannotStart(f"cannot make the folder of the database {path}: {error.strerror}") from error
    engine = create_engine(
        url, connect_args={"check_same_thread": False, "timeout": BUSY_S}, pool_size=8, max_overflow=56
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, record: object) -> None:
        # SQLAlchemy begins transactions itself (below); the driver's own idea of them would begin too late.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that reads first and writes later fails at once when another writer came between.
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql_engine(url: str) -> Engine:
    options = "-c statement_timeout=10s -c idle_in_transaction_session_timeout=30s -c timezone=UTC"
    try:
        return create_engine(
            url,
            connect_args={"options": options, "connect_timeout": 5},
            pool_size=8,
            max_overflow=56,
            pool_pre_ping=True,
        )
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        raise CannotStart("PostgreSQL needs the package psycopg: pip install 'tradespace[postgres]'") from error
