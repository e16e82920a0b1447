"""Home: what runs, what was learnt lately, and questions to start from."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from app.ordering.menu import STARTS
from app.pages.plan import FIRST, devices
from app.pages.rendering import page
from app.pages.session import Reading
from app.planner import team
from app.planner.models import known
from app.planner.question import PHASES
from app.presentation.overview import overview

router = APIRouter()


@router.get("/", response_class=HTMLResponse)
def home(session: Reading) -> HTMLResponse:
    return page(
        "home.html",
        here="home",
        twin="/api/v1/overview",
        overview=overview(session),
        starts=STARTS,
        fits={"models": known.models(), "phases": PHASES, "devices": devices(team.machines(session)), "first": FIRST},
    )
