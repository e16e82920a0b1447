"""Builds the application: the guard at the door, pages, API, static files; ``python -m app.main`` serves it."""

import gc

if __name__ == "__main__":
    # What is made from here until requests come stays for good. Looking through it for garbage would take a fifth of the start.
    gc.disable()

import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from starlette.exceptions import HTTPException

from app import errors, pages
from app.api import (
    activity,
    catalog,
    claims,
    compare,
    comparisons,
    coverage,
    drafts,
    environments,
    events,
    explore,
    guide,
    hardware,
    notes,
    ordering,
    plan,
    runs,
    studies,
    targets,
    techniques,
    views,
    workers,
)
from app.api.calls import invalid_request
from app.db import queries
from app.db.migrate import migrate
from app.db.session import Database
from app.door import assets
from app.door.delivery import Delivery
from app.door.guard import Guard
from app.door.methods import Heads, taken
from app.door.security import refuse_open_door
from app.errors import Refused, answer
from app.log import configure_log
from app.presentation import demo
from app.results.columns import Columns
from app.runs.ledger import extend_leases
from app.runs.queue import Queue
from app.runs.reaper import Reaper
from app.settings import CannotStart, Settings, read_settings

log = structlog.get_logger()

API = (
    studies.router,
    drafts.router,
    ordering.router,
    plan.router,
    guide.router,
    runs.router,
    explore.router,
    coverage.router,
    views.router,
    comparisons.router,
    compare.router,
    notes.router,
    workers.router,
    environments.router,
    techniques.router,
    claims.router,
    targets.router,
    hardware.router,
    catalog.router,
    activity.router,
    events.router,
)
GRACE_S = 3
"""Open streams are cut this long after the server was asked to stop."""


def create_app(settings: Settings, died: Callable[[], None] = lambda: None) -> FastAPI:
    """The application on a database that has the newest tables.

    Args:
        settings: what the environment says.
        died: called when the server can no longer do its work and should be started anew.
    """
    database = Database(settings.database)
    queue = Queue(settings.broker)
    reaper = Reaper(database, queue, died)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with database.writing() as session:
            extend_leases(session)
        with database.reading() as session:
            app.state.demo = demo.loaded(session)
        reaper.start()
        warming = threading.Thread(target=_warm, args=(app,), name="warming", daemon=True)
        warming.start()
        yield
        reaper.stop()
        warming.join()
        queue.close()
        database.close()

    app = FastAPI(
        title="Tradespace",
        summary="Which optimisations are worth it, measured on your hardware.",
        version="1",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # FastAPI's own pages load their scripts from elsewhere.
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.settings = settings
    app.state.database = database
    app.state.reaper = reaper
    app.state.columns = Columns()
    app.state.demo = None
    app.state.is_stopping = lambda: False
    app.state.error_page = pages.error_page
    # The last one added is the outermost: nothing is delivered that the guard has not let in.
    app.add_middleware(Delivery)
    app.add_middleware(Heads)
    app.add_middleware(Guard, settings=settings, database=database)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _misread)
    app.add_exception_handler(HTTPException, _http)
    for kind in (OperationalError, NoConnection, TimeoutError):
        app.add_exception_handler(kind, _database_failed)
    api = APIRouter(prefix="/api/v1")
    for router in API:
        api.include_router(router)
    app.include_router(api)
    app.include_router(pages.router)
    app.add_api_route("/healthz", _health, methods=["GET"], include_in_schema=False)
    app.mount("/static", assets.serve, name="static")
    return app


def run(settings: Settings) -> None:
    """Serve until asked to stop.

    Raises:
        CannotStart: the database, the address or the port cannot be used.
    """
    configure_log()
    migrate(settings)
    dead = threading.Event()

    def died() -> None:
        dead.set()
        server.should_exit = True

    app = create_app(settings, died)
    gc.freeze()
    gc.enable()
    refuse_open_door(settings, app.state.database)
    listening = _listen(settings)
    config = uvicorn.Config(
        app, access_log=False, timeout_graceful_shutdown=GRACE_S, server_header=False, log_level="warning"
    )
    server = uvicorn.Server(config)
    # Open streams end by themselves when this turns true; the server would wait for them.
    app.state.is_stopping = lambda: server.should_exit
    server.run(sockets=[listening])
    if dead.is_set():
        sys.exit(1)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # With its protocol named: asyncio sends small parts at once (TCP_NODELAY) only where it sees that this is TCP. Without
    # it, an answer's body waits some 40 ms for the reader to acknowledge the headers.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        raise CannotStart(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}") from error
    listening.set_inheritable(True)
    return listening


def _warm(app: FastAPI) -> None:
    """Read all results into memory, so that the first reader does not wait for them."""
    database: Database = app.state.database
    columns: Columns = app.state.columns
    try:
        with database.reading() as session:
            columns.table(session)
    except (OperationalError, NoConnection) as error:
        # The first reader reads them, or learns that the database is away.
        log.warning("results not read at the start", reason=str(getattr(error, "orig", None) or error).strip())


def _health(request: Request) -> Response:
    """200 once the server can do its work: the database answers and the reaper runs."""
    database: Database = request.app.state.database
    with database.reading() as session:
        queries.ping(session)
    ready = request.app.state.reaper.is_alive
    return JSONResponse({"status": "ready" if ready else "starting"}, 200 if ready else 503)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return answer(request, error)


def _misread(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return answer(request, invalid_request(error, None))


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reply = answer(request, errors.of_status(error.status_code))
    reply.headers.update(error.headers or {})
    if error.status_code == 405 and (methods := taken(request.scope)):
        reply.headers["Allow"] = ", ".join(sorted(methods))
    return reply


def _database_failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, OperationalError | NoConnection | TimeoutError)
    return answer(request, errors.from_database(error))


if __name__ == "__main__":
    try:
        run(read_settings())
    except CannotStart as error:
        print(f"tradespace: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
