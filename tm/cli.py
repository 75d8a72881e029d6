"""Assemble the subcommands; the only place that prints errors and exits."""

import atexit
import gc
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from commands._cluster import with_cluster
from commands._console import Verbosity, emit_json, error_record, out, print_error
from commands._crash import interrupted, keep_code, require_arguments, terminated, unexpected
from commands._missing import missing_arguments
from commands._overwrite import with_overwrite
from commands._verbosity import with_verbosity
from engine.core.errors import InputError, MemoryLimitError, PictureError, TmError
from tm import VERSION

COMMANDS = (
    "prep",
    "bank",
    "enhance",
    "relabel",
    "train",
    "resume",
    "oneshot",
    "infer",
    "gan",
    "eval",
    "serve",
    "weights",
    "recipe",
    "doctor",
)
"""In the order of `tm --help`; each is a module of `commands`, or a package of such modules."""

SMALLER = "use fewer workers or a smaller size"


def build() -> typer.Typer:
    """The whole command line."""
    app = _group("Make a person older or younger as themself.")
    app.callback()(_root)
    for name in COMMANDS:
        _add(app, name, import_module(f"commands.{name}"))
    return app


def program() -> None:
    """`tm` as a process of its own: after `main` a signal ends it by the code that it has."""
    atexit.register(_end_without_last_collection)
    code: Any = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
        raise
    finally:
        keep_code(code if isinstance(code, int) else int(code is not None))


def main() -> None:
    """Run `tm`: exit with 0, or with the code of the error, which is printed on stderr."""
    Verbosity.emitted = False
    try:
        require_arguments(sys.argv[1:])
        with terminated():
            build()()
    except TmError as error:
        _fail(error)
    except PictureError as error:
        _fail(InputError(error.reason))
    except MemoryError as error:
        _fail(MemoryLimitError(f"out of memory: {error}", hint=SMALLER))
    except KeyboardInterrupt:
        _fail(interrupted())
    except Exception as error:  # a mistake of ours
        _fail(unexpected(error))


def _end_without_last_collection() -> None:
    """Else Python looks through all that torch made for cycles, half a second after the last line.

    Triton's bindings (nanobind) report on stderr whatever is not collected then.
    """
    if "triton" not in sys.modules:
        gc.freeze()


def _fail(error: TmError) -> NoReturn:
    if "--json" in sys.argv and not Verbosity.emitted:
        emit_json(error_record(error))
    print_error(error)
    sys.exit(error.exit_code)


@contextmanager
def _as_json() -> Generator[None]:
    """Missing arguments and interrupts as errors of ours, which Typer would end in silence; with
    `--json`, all other errors as an object too."""
    try:
        yield
    except KeyboardInterrupt:
        raise interrupted() from None
    except Exception as error:
        if (missing := missing_arguments(error)) is not None:
            raise missing from None
        said = getattr(error, "format_message", None)
        if said is not None and "--json" in sys.argv and not Verbosity.emitted:
            emit_json({"error": said(), "hint": None, "code": getattr(error, "exit_code", 2)})
        raise


class Ordered(TyperGroup):
    """A group that lists its subcommands in the order of `COMMANDS`."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _as_json():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _as_json():
            return super().invoke(ctx)

    def list_commands(self, ctx: Any) -> list[str]:
        ours = [name for name in COMMANDS if name in self.commands]
        return ours or list(self.commands)


def _group(about: str) -> typer.Typer:
    return typer.Typer(
        cls=Ordered,
        help=about,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )


def _add(app: typer.Typer, name: str, module: ModuleType) -> None:
    """Add a subcommand, or a group of them where the module lists its own COMMANDS."""
    if hasattr(module, "COMMANDS"):
        group = _group(module.HELP)
        group.callback()(lambda: None)
        for part in module.COMMANDS:
            _add(group, part, import_module(f"{module.__name__}.{part}"))
        app.add_typer(group, name=name)
    else:
        run = with_cluster(module.run) if getattr(module, "SPREADS", False) else module.run
        run = with_overwrite(run) if getattr(module, "WRITES", False) else run
        app.command(name, help=module.HELP, epilog=f"Example: `{module.EXAMPLE}`")(
            with_verbosity(run)
        )


def _print_version(wanted: bool) -> None:
    if wanted:
        out.print(VERSION)
        raise typer.Exit


def _root(
    version: bool = typer.Option(
        False, "--version", help="Print the version.", is_eager=True, callback=_print_version
    ),
) -> None: ...
