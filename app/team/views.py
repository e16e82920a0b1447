"""Saved views: an address of one of our own pages under a name and a short id, for oneself, by link, or for the team."""

import re
import secrets
from collections.abc import Sequence
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import func, or_, select
from sqlmodel import Session, col

from app.db.session import clock
from app.db.tables import User, View
from app.errors import Conflict, Invalid, NotFound
from workers.catalog.declared import Problem

Sharing = Literal["private", "link", "team"]
PAGES = (
    "",
    "claims",
    "compare",
    "coverage",
    "docs",
    "explore",
    "guide",
    "hardware",
    "models",
    "plan",
    "runs",
    "studies",
    "techniques",
    "workers",
)
"""First words of the addresses that can be saved: pages to look at, and nothing that acts or leads on."""
LONGEST = 8_000
"""Characters of an address."""
MOST = 500
"""Views of one user."""
SHOWN = 200
"""Views in a list."""
_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
"""Without those that are taken for one another when they are read out."""
_LENGTH = 10
"""Characters of an id: 49 bits, too many to be tried out over the network."""
_PLAIN = re.compile(r"/[!-~]*")
"""Visible ASCII: what an address is made of once it is escaped."""


class Saved(NamedTuple):
    """A view and whose it is."""

    view: View
    owner: str
    """Name of the user."""


def save(session: Session, owner_id: str, name: str, path: str, sharing: Sharing) -> View:
    """Keep an address. The same address that the owner has shared by link already keeps its id.

    Args:
        session: writes.
        owner_id: whose view it is.
        name: what the owner calls it.
        path: path and query of one of our pages.
        sharing: who opens it.

    Raises:
        Invalid: the address is not one of our pages.
        Conflict: the owner has too many views.
    """
    check(path)
    if sharing == "link":
        same = select(View).where(col(View.owner_id) == owner_id, col(View.path) == path, col(View.sharing) == "link")
        shared: View | None = session.execute(same).scalars().first()
        if shared is not None:
            return shared
    mine = select(func.count()).select_from(View).where(col(View.owner_id) == owner_id)
    if session.execute(mine).scalar_one() >= MOST:
        raise Conflict(f"You have {MOST} saved views.", hint="Delete one that is no longer needed.")
    now = clock(session)
    view = View(
        id="".join(secrets.choice(_LETTERS) for _ in range(_LENGTH)),
        owner_id=owner_id,
        name=name,
        path=path,
        sharing=sharing,
        created_at=now,
        changed_at=now,
    )
    session.add(view)
    session.flush()
    return view


def read(session: Session, view_id: str, reader_id: str) -> Saved:
    """A view that a reader may open.

    Raises:
        NotFound: there is none, or it is somebody else's own.
    """
    with_owner = select(View, col(User.name)).join(User, col(User.id) == col(View.owner_id))
    found = session.execute(with_owner.where(col(View.id) == view_id)).first()
    if found is None or (found[0].sharing == "private" and found[0].owner_id != reader_id):
        raise NotFound("There is no such view.", hint="It may have been deleted, or be somebody's own.")
    return Saved(*found)


def listed(session: Session, reader_id: str) -> Sequence[Saved]:
    """The reader's own views and those of the team, changed last first."""
    wanted = (
        select(View, col(User.name))
        .join(User, col(User.id) == col(View.owner_id))
        .where(or_(col(View.owner_id) == reader_id, col(View.sharing) == "team"))
        .order_by(col(View.changed_at).desc(), col(View.id))
        .limit(SHOWN)
    )
    return [Saved(*row) for row in session.execute(wanted)]


def change(session: Session, view_id: str, owner_id: str, *, name: str | None, sharing: Sharing | None) -> View:
    """Call a view otherwise, or share it otherwise; None leaves that part as it is.

    Raises:
        NotFound: the owner has no such view.
    """
    view = _own(session, view_id, owner_id)
    view.name = name or view.name
    view.sharing = sharing or view.sharing
    view.changed_at = clock(session)
    session.add(view)
    session.flush()
    return view


def delete(session: Session, view_id: str, owner_id: str) -> None:
    """Take a view away; its short address leads nowhere from then on.

    Raises:
        NotFound: the owner has no such view.
    """
    session.delete(_own(session, view_id, owner_id))


def check(path: str) -> None:
    """Refuse an address that could lead elsewhere than to our own pages, however a browser reads it.

    Raises:
        Invalid: it is none of those that can be saved.
    """
    wrong = None
    if len(path) > LONGEST:
        wrong = f"is longer than {LONGEST:,} characters."
    elif not _PLAIN.fullmatch(path) or path.startswith("//") or "\\" in path or "#" in path:
        wrong = "is not a path of this server with an escaped query."
    elif urlsplit(path).path.split("/")[1] not in PAGES or "/." in urlsplit(path).path or "%" in urlsplit(path).path:
        wrong = "is not one of the pages that can be saved."
    if wrong:
        pages = ", ".join(f"/{word}" for word in PAGES)
        problem = Problem("path", "not_a_page", wrong, f"Path and query of one of these: {pages}.")
        raise Invalid(f"path {wrong}", problems=[problem])


def _own(session: Session, view_id: str, owner_id: str) -> View:
    view = session.get(View, view_id)
    if view is None or view.owner_id != owner_id:
        raise NotFound("There is no such view of yours.")
    return view
