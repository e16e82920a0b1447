"""Workers: who measures, on what, and how another machine joins."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.pages.rendering import page
from app.pages.session import Reading
from app.presentation import shown_machines

router = APIRouter()


@router.get("/workers", response_class=HTMLResponse)
def workers(request: Request, session: Reading) -> HTMLResponse:
    join = (
        f"export TRADESPACE_SERVER_URL={str(request.base_url).rstrip('/')}\n"
        "export TRADESPACE_WORKER_TOKEN=…   # tradespace token create --name NAME --scope worker\n"
        "tradespace worker --device cuda:0"
    )
    found = shown_machines.workers(session, limit=200).items
    found.sort(key=lambda worker: not worker.present)
    return page("workers.html", here="workers", twin="/api/v1/workers", workers=found, join=join)
