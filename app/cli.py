"""The command ``tradespace``: serve, demo, worker, measure, ceilings, submit, wait, cancel, compare, plan, guide, token.

What a command needs is imported when it runs, so that each starts quickly.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from app.db.session import Database
    from app.terminal.client import Client, Happening

Answered = TypeVar("Answered")
Scope = Literal["read", "submit", "worker", "admin"]
BAD_SETTINGS = 2

app = typer.Typer(
    help="Measures deep-learning optimisations on your own model and hardware.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
tokens = typer.Typer(help="Make, list and revoke the tokens of the data folder's database.", no_args_is_help=True)
app.add_typer(tokens, name="token")

ServerUrl = Annotated[
    str, typer.Option("--server", envvar="TRADESPACE_SERVER_URL", help="Address of the server.", metavar="URL")
]
BearerToken = Annotated[
    str, typer.Option("--token", envvar="TRADESPACE_TOKEN", help="A bearer token.", metavar="TOKEN")
]
AskedServer = Annotated[
    str | None, typer.Option("--server", help="Address of a server to ask, which needs a token.", metavar="URL")
]
HERE = "http://127.0.0.1:8000"


def fail(message: str, code: int = 1) -> NoReturn:
    """Say why on standard error, and end."""
    print(f"tradespace: {message}", file=sys.stderr)
    raise typer.Exit(code)


def become(module: str, words: list[str]) -> NoReturn:
    """Go on as a program of the worker's side, in this same process."""
    os.execv(sys.executable, [sys.executable, "-P", "-m", module, *words])


@app.command()
def serve(
    workers: Annotated[bool, typer.Option(help="Measure on this machine as well, one worker per device.")] = True,
) -> None:
    """Start the server and one worker for each device; print the address and a one-time sign-in link."""
    from app.settings import CannotStart, read_settings
    from app.terminal.serving import serve as keep_serving

    try:
        keep_serving(read_settings(), workers)
    except CannotStart as error:
        fail(str(error), error.exit_code)


@app.command()
def demo(
    data: Annotated[
        Path | None, typer.Option(help="Folder for it (default: demo in the data folder).", metavar="FOLDER")
    ] = None,
    workers: Annotated[bool, typer.Option(help="Measure on this machine as well, one worker per device.")] = True,
) -> None:
    """Serve what the project has measured, from a data folder of its own; new studies may be added to it."""
    from app.settings import CannotStart, read_settings
    from app.terminal.demo import load, own
    from app.terminal.serving import serve as keep_serving

    try:
        settings = own(read_settings(), data)
        print(load(settings), flush=True)
        keep_serving(settings, workers)
    except CannotStart as error:
        fail(str(error), error.exit_code)


@app.command()
def worker(
    device: Annotated[str | None, typer.Option(help="cpu, cuda:0, … (default: the first that is found).")] = None,
) -> None:
    """Measure runs on one device of this machine, for the server of TRADESPACE_SERVER_URL."""
    become("workers.launcher", ["--device", device] if device else [])


@app.command()
def measure(
    file: Annotated[
        str, typer.Argument(help="The study as JSON or, in a .yaml file, YAML; - reads JSON from standard input.")
    ],
    json: Annotated[
        str | None, typer.Option("--json", help="Write the reports there; - writes them to standard output.")
    ] = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Profile a step of each arm; the traces go beside the reports.")
    ] = False,
) -> None:
    """Measure a whole study in the terminal, with no server. Ends with 1 when a run did not end ok."""
    become("workers.terminal", [file, *(["--json", json] if json else []), *(["--profile"] if profile else [])])


@app.command()
def ceilings(
    device: Annotated[str | None, typer.Option(help="cpu, cuda:0, … (default: the first that is found).")] = None,
    again: Annotated[bool, typer.Option("--again", help="Measure although they are known.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> None:
    """Show what a device of this machine can do at most: bytes and operations per second; measured if not yet known."""
    words = [*(["--device", device] if device else []), *(["--again"] if again else []), *(["--json"] if json else [])]
    become("workers.ceilings", words)


@app.command()
def submit(
    file: Annotated[
        str, typer.Argument(help="The study as JSON or, in a .yaml file, YAML; - reads JSON from standard input.")
    ],
    wait: Annotated[bool, typer.Option("--wait", help="Wait for its end, as `tradespace wait` does.")] = False,
    server: ServerUrl = HERE,
    token: BearerToken = "",
) -> None:
    """Submit a study to the server; print its id and its page."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(str(error), BAD_SETTINGS)
    text = _as_json(file, text)
    with _asking(server, token) as client:
        study = client.submit(text)
        print(study["id"], client.page(study), flush=True)
        if wait:
            _follow(client, study["id"])


@app.command()
def wait(study: str, server: ServerUrl = HERE, token: BearerToken = "") -> None:
    """Show how a study goes until it ends. Ends with 1 when a run did not end ok."""
    with _asking(server, token) as client:
        _follow(client, study)


@app.command()
def cancel(study: str, server: ServerUrl = HERE, token: BearerToken = "") -> None:
    """Cancel what is left of a study."""
    with _asking(server, token) as client:
        print(f"{study} {client.cancel(study)}")


@app.command()
def compare(
    runs: Annotated[list[str], typer.Argument(help="Ids of 2 to 12 runs, of any studies.")],
    server: ServerUrl = HERE,
    token: BearerToken = "",
) -> None:
    """Put runs side by side: what differs between them, then effects over their own baselines, and values."""
    from app.terminal.beside import lines

    with _asking(server, token) as client:
        print("\n".join(lines(client.compare(runs))))


@app.command()
def plan(
    model: Annotated[
        str,
        typer.Argument(
            help="A well-known model, for example Llama-3.1-8B, or the path of a config.json or a GGUF file."
        ),
    ],
    fields: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME=VALUE]...",
            help='As in the planner\'s address: phase=qlora batch=4 sequence=2048 device="RTX 4060" memory=7.6GiB …',
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the whole answer as JSON.")] = False,
    server: AskedServer = None,
    token: BearerToken = "",
) -> None:
    """Say whether a model fits, what would make it fit and how fast it may be: with no server, or with --server also on
    its team's devices. Ends with 1 when it does not fit."""
    from app.terminal.planned import answered, lines

    found = _answer(answered, model, fields or (), server, token)
    print(found.model_dump_json(indent=2) if json else "\n".join(lines(found)))
    if found.fit and found.fit.verdict == "no":
        raise typer.Exit(1)


@app.command()
def guide(
    model: Annotated[
        str, typer.Argument(help="A well-known model, for example Llama-3.1-8B, or the path of a config.json.")
    ],
    fields: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="device=DEVICE [NAME=VALUE]...",
            help='As in the guide\'s address: device="RTX 4060" task=finetune batch=4 sequence=2048 tolerance="1 %" …',
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the whole answer as JSON.")] = False,
    server: AskedServer = None,
    token: BearerToken = "",
) -> None:
    """Say which techniques are worth it in a situation, and why: from formulas and literature, with --server also from what
    its team has measured. Ends with 1 when nothing makes it fit."""
    from app.terminal.guided import answered, lines

    found = _answer(answered, model, fields or (), server, token)
    print(found.model_dump_json(indent=2) if json else "\n".join(lines(found)))
    if found.advice.outcome == "nothing_fits":
        raise typer.Exit(1)


@tokens.command("create")
def create(
    name: Annotated[str, typer.Option(help="What it is for.")],
    scope: Annotated[Scope, typer.Option(help="What it may do; each includes those before it, worker stands apart.")],
) -> None:
    """Make a token and print it, once, as the last word."""
    from app.door.security import create_token

    with _database() as database, database.writing() as session:
        made = create_token(session, name=name, scope=scope)
    print(f"Shown this once; scope {scope}:\n{made}")


@tokens.command("list")
def list_tokens() -> None:
    """List the tokens that are there, without their secrets."""
    from app.door.tokens import list_tokens as listed

    with _database() as database, database.reading() as session:
        for token in listed(session):
            print(
                f"{token.id}  {token.prefix}…  {token.scope:<7} {token.name}{'  revoked' if token.revoked_at else ''}"
            )


@tokens.command("revoke")
def revoke(token: Annotated[str, typer.Argument(help="Its id, or its name.")]) -> None:
    """Revoke a token; it is refused from now on."""
    from app.door.tokens import revoke_tokens

    with _database() as database, database.writing() as session:
        count = revoke_tokens(session, token)
    if not count:
        fail(f"there is no token {token!r} that could be revoked")
    print(f"revoked {count}")


def _answer(
    answered: Callable[[str, Iterable[str], "Client | None"], Answered], model: str, fields: Iterable[str], server: str | None, token: str,
) -> Answered:  # fmt: skip
    """What planner or guide say, here or on a server; of a question that is wrong every field is told, with what would do."""
    from app.errors import Invalid

    try:
        # 1 is an answer: that it does not fit.
        with _asking(server, token, BAD_SETTINGS) if server else nullcontext() as client:
            return answered(model, fields, client)
    except Invalid as refused:
        wrong = "\n".join(f"  {one.field} {one.message} {one.hint}".rstrip() for one in refused.problems)
        fail(f"this cannot be answered:\n{wrong}", BAD_SETTINGS)


def _as_json(file: str, text: str) -> str:
    """What a file holds, as the server takes it: YAML becomes JSON, and JSON goes as it is."""
    import json

    from workers.catalog import strictjson, strictyaml, written

    if written.form_of_file(file) == "json":
        return text
    try:
        return json.dumps(strictyaml.read(text.encode()).value)
    except (strictjson.Malformed, strictjson.Unfit) as error:
        fail(f"the study {error}", BAD_SETTINGS)


@contextmanager
def _database() -> Iterator["Database"]:
    """The data folder's database with the newest tables."""
    from app.db.migrate import migrate
    from app.db.session import Database
    from app.settings import CannotStart, read_settings

    try:
        settings = read_settings()
        migrate(settings)
        database = Database(settings.database)
    except CannotStart as error:
        fail(str(error), error.exit_code)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def _asking(server: str, token: str, refused: int = 1) -> Iterator["Client"]:
    """A client of the server; what it refuses, or not to be reached, ends the command with one clear message and this code."""
    from app.terminal.client import Client, ClientError

    if not token:
        fail("a token is needed: set TRADESPACE_TOKEN, or make one with `tradespace token create`", BAD_SETTINGS)
    try:
        yield Client(server, token)
    except ClientError as error:
        fail(str(error), refused)


def _follow(client: "Client", study: str) -> None:
    """Show what happens until the study ends, then what became of each run."""
    shown = ""
    for happening in client.follow(study):
        line = _line(happening)
        if line and line != shown:
            print(line, flush=True)
            shown = line
    ended = client.study(study)
    for run in ended["runs"]:
        point = " ".join(f"{name}={value}" for name, value in run["point"].items())
        print(" ".join(filter(None, (run["id"], run["variant"], point, run["outcome"] or run["state"]))))
    if any(run["outcome"] != "ok" for run in ended["runs"]):
        raise typer.Exit(1)


def _line(happening: "Happening") -> str:
    data = happening.data
    if happening.kind == "state":
        return f"{data['variant']}: {data['outcome'] or data['state']}"
    if happening.kind == "progress":
        said = (data["phase"], data["message"], f"{data['fraction']:.0%}")
        return f"{data['variant']}: {' '.join(filter(None, said))}"
    return ""


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
