"""The pages: one router for all of them, and the page that a refused request gets."""

from fastapi import APIRouter

from app.pages import home, runs, sign_in, studies, workers
from app.pages.refusal import error_page

router = APIRouter(include_in_schema=False)
for part in (home, studies, runs, workers, sign_in):
    router.include_router(part.router)

__all__ = ["error_page", "router"]
