"""The pages: one router for all of them, and the page that a refused request gets."""

from fastapi import APIRouter, Depends
from fastapi.routing import iter_route_contexts

from app.pages import (
    claims,
    compare,
    coverage,
    docs,
    explore,
    guide,
    hardware,
    home,
    models,
    plan,
    run,
    runs,
    sign_in,
    studies,
    techniques,
    views,
    workers,
)
from app.pages.navigation import present
from app.pages.refusal import error_page
from app.pages.rendering import environment, remember

router = APIRouter(include_in_schema=False, dependencies=[Depends(remember)])
PARTS = (
    home,
    studies,
    plan,
    guide,
    explore,
    coverage,
    views,
    compare,
    runs,
    run,
    workers,
    techniques,
    claims,
    models,
    hardware,
    docs,
    sign_in,
)
for part in PARTS:
    router.include_router(part.router)
environment().globals["places"] = present(route.path for route in iter_route_contexts(router.routes))

__all__ = ["error_page", "router"]
