"""What a command says that was typed without its arguments."""

from importlib import import_module
from typing import Any

from engine.core.errors import UsageError


def missing_arguments(error: Exception) -> UsageError | None:
    """The error for a command typed without its arguments; None for any other error.

    It names what is missing; its hint is the command to type, and, where the module of the command
    has one under `FROM_NOTHING`, a line that runs in an empty folder.
    """
    context: Any = getattr(error, "ctx", None)
    param: Any = getattr(error, "param", None)
    if context is None or type(error).__name__ != "MissingParameter" or param is None:
        return None
    names = _path(context)
    kind = param.param_type_name
    needed = [one for one in context.command.params if one.param_type_name == kind]
    metavars = [_label(one) for one in needed if one.required]
    module = import_module(".".join(["commands", *names]))
    hint = f"type `{module.EXAMPLE}`"
    if from_nothing := getattr(module, "FROM_NOTHING", None):
        hint += f"\nwith nothing at hand, `{from_nothing}`"
    return UsageError(f"`tm {' '.join(names)}` needs {' and '.join(metavars)}", hint=hint)


def _label(param: Any) -> str:
    return param.opts[0] if param.param_type_name == "option" else param.metavar or param.name


def _path(context: Any) -> list[str]:
    """The names of a command, of its group first, without that of the program."""
    names: list[str] = []
    while context.parent is not None:
        names.insert(0, context.info_name)
        context = context.parent
    return names
