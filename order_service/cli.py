"""The command line. Only the command that is asked for is imported, so that a look at `--help` or `status` costs little."""

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import typer
from pydantic import ValidationError


class Command(NamedTuple):
    """A command: its name, where it is, and one line for `--help`."""

    name: str
    target: str
    """`module:attribute` in `order_service.commands`: a function with typer's annotations, or a typer.Typer with commands of its own."""
    summary: str


COMMANDS = (
    Command("up", "up:up", "Start Kafka, PostgreSQL and all services."),
    Command("down", "down:down", "Stop everything; the data stay."),
    Command("status", "status:status", "What runs, and where; exits 0 when all is ready."),
    Command("logs", "logs:logs", "Show the services' logs."),
    Command("doctor", "doctor:doctor", "Say in plain words what is missing or wrong."),
    Command("reset", "reset:reset", "Stop everything and remove the data."),
    Command("serve", "serve:serve", "Add an instance of a service to the running stack."),
    Command("test", "test:test", "Run the tests, on servers of their own."),
    Command("submit", "submit:submit", "Place a file of orders."),
    Command("tail", "tail:tail", "Show the live feed."),
    Command("trace", "trace:trace", "What became of a command, of an order, of a correlation id, and when."),
    Command("show", "show:show", "Show an order's history, or the order as it was."),
    Command("bench", "bench:app", "Measure each part beside the least that does the same."),
    Command("faults", "faults:faults", "Hurt a stack of its own in every way, and check every promise."),
    Command("topics", "topics:app", "Create or check the topics."),
    Command("schemas", "schemas:app", "Check or list the schemas of all messages."),
    Command("projections", "projections:app", "Rebuild, compare, switch and verify the read models."),
    Command("dead-letters", "dead_letters:app", "List, show, retry or discard what could not be read."),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that `arguments` name; exits 0 done, 1 failed or found a difference, 2 wrong use."""
    arguments = sys.argv[1:] if arguments is None else arguments
    app = _app(next((argument for argument in arguments if not argument.startswith("-")), None))
    try:
        app(args=list(arguments), prog_name="./orders")
    except ValidationError as error:
        for problem in error.errors():
            sys.stderr.write(f"setting {'.'.join(map(str, problem['loc'])) or '?'}: {problem['msg']}\n")
        sys.exit(2)


def _app(asked: str | None) -> typer.Typer:
    app = typer.Typer(
        add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help="An event-sourced order service on Kafka."
    )
    app.callback()(_several_commands)
    for command in COMMANDS:
        if command.name == asked:
            _register(app, command)
        else:
            app.command(command.name, help=command.summary)(_not_asked)
    return app


def _register(app: typer.Typer, command: Command) -> None:
    module, _, attribute = command.target.partition(":")
    target: Callable[..., None] | typer.Typer = getattr(importlib.import_module(f"order_service.commands.{module}"), attribute)
    if isinstance(target, typer.Typer):
        app.add_typer(target, name=command.name, help=command.summary)
    else:
        passes_on = {"ignore_unknown_options": True, "allow_extra_args": True} if command.name == "test" else {}
        app.command(command.name, context_settings=passes_on)(target)


def _several_commands() -> None:
    """Keeps typer from turning a lone command into the whole program."""


def _not_asked() -> None:
    raise AssertionError("only the command that is asked for is run")
