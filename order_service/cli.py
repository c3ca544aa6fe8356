"""The command line. Only the command that is asked for is imported, so that a look at `--help` or `status` costs little."""

import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import typer
from pydantic import ValidationError

from order_service.checkout import checkout_module


class Command(NamedTuple):
    """A command: its name, where it is, and one line for `--help`."""

    name: str
    target: str
    """`module:attribute`: a function with typer's annotations, or a typer.Typer with commands of its own.

    Only a checkout has what stands in `tools`: the local stack, the tests, the bench and the fault kit are no part of the wheel.
    """
    summary: str


COMMANDS = (
    Command("up", "tools.commands.up:up", "Start Kafka, PostgreSQL and all services."),
    Command("down", "tools.commands.stack:down", "Stop everything; the data stay."),
    Command("status", "tools.commands.stack:status", "What runs, and where; exits 0 when all is ready."),
    Command("logs", "tools.commands.stack:logs", "Show the services' logs."),
    Command("doctor", "order_service.commands.doctor:doctor", "Say in plain words what is missing or wrong."),
    Command("reset", "tools.commands.stack:reset", "Stop everything and remove the data."),
    Command("serve", "tools.commands.stack:serve", "Add an instance of a service to the running stack."),
    Command("check", "tools.commands.check:check", "Check style, types and what is generated."),
    Command("test", "tools.commands.check:test", "Run the tests, on servers of their own."),
    Command("submit", "order_service.commands.submit.command:submit", "Place a file of orders."),
    Command("tail", "order_service.commands.tail:tail", "Show the live feed."),
    Command("trace", "order_service.commands.trace:trace", "What became of a command, of an order, of a correlation id, and when."),
    Command("show", "order_service.commands.show:show", "Show an order's history, or the order as it was."),
    Command("bench", "tools.commands.bench:app", "Measure each part beside the least that does the same."),
    Command("faults", "tools.commands.faults:faults", "Hurt a stack of its own in every way, and check every promise."),
    Command("topics", "order_service.commands.topics:app", "Create or check the topics."),
    Command("schemas", "order_service.commands.schemas:app", "Check or list the schemas of all messages."),
    Command("projections", "order_service.commands.projections.command:app", "Rebuild, compare, switch and verify the read models."),
    Command("dead-letters", "order_service.commands.dead_letters:app", "List, show, retry or discard what could not be read."),
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
    target = _loaded(command)
    if isinstance(target, typer.Typer):
        app.add_typer(target, name=command.name, help=command.summary)
    else:
        passes_on = {"ignore_unknown_options": True, "allow_extra_args": True} if command.name == "test" else {}
        app.command(command.name, context_settings=passes_on)(target)


def _loaded(command: Command) -> Callable[..., None] | typer.Typer:
    module, _, attribute = command.target.partition(":")
    found = checkout_module(module)
    if found is None:
        sys.stderr.write(f"`orders {command.name}` needs a checkout of the project: what it does is no part of the installed package\n")
        sys.exit(2)
    target: Callable[..., None] | typer.Typer = getattr(found, attribute)
    return target


def _several_commands() -> None:
    """Keeps typer from turning a lone command into the whole program."""


def _not_asked() -> None:
    raise AssertionError("only the command that is asked for is run")
