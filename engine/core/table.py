"""The strict base of every recipe table, and the choice of a class by its `kind`."""

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Annotated, Any, ClassVar, Literal, Self, cast, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from engine.core.registry import Registry

WORDING = {
    "missing": "this key is required",
    "model_type": "expected a table",
    "tuple_type": "expected a list",
    "dict_type": "expected a table",
    "finite_number": "expected a finite number",
    "float_type": "expected a number",
    "int_type": "expected a whole number",
    "bool_type": "expected true or false",
    "string_type": "expected text",
    "float_parsing": "expected a number",
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "bool_parsing": "expected true or false",
}


class Table(BaseModel):
    """A frozen, typed table; unknown keys are an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    unused: ClassVar[frozenset[str]] = frozenset()
    """Keys that a kind shares with others and has no use for: they are not written out."""
    drawn_world: ClassVar[tuple[str, str] | None] = None
    """The name and version of the drawn world that the table asks for pictures of, if it does."""

    def dump(self) -> dict[str, Any]:
        """Everything the table holds, ready for TOML or JSON.

        A field typed by a base class must say `SerializeAsAny`, or its subclass' keys are lost.
        """
        return self.model_dump(mode="json", exclude_none=True, exclude={*self.unused})

    def worlds(self) -> dict[str, str]:
        """The versions of all drawn worlds that this table and those within it ask for, by name."""
        found = {} if self.drawn_world is None else dict([self.drawn_world])
        for _, value in self:
            within = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,)
            for table in within:
                if isinstance(table, Table):
                    found |= table.worlds()
        return found

    @model_validator(mode="wrap")
    @classmethod
    def _suggest(cls, value: object, build: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return build(cls._truth_spelt(value))
        except ValidationError as error:
            faults = [cls._reword(fault) for fault in error.errors()]
            raise ValidationError.from_exception_data(cls.__name__, faults) from None

    @classmethod
    def _truth_spelt(cls, value: object) -> object:
        """The value with `true` and `false` as words where numbers belong: pydantic takes a 1."""
        if not isinstance(value, dict):
            return value
        content = cast("dict[str, object]", value)
        truths = {key: one for key, one in content.items() if _holds_truth(one)}
        numeric = (key for key in truths if _takes_numbers(cls.model_fields.get(key)))
        return {**content, **{key: _spelt(truths[key]) for key in numeric}} if truths else content

    @classmethod
    def _reword(cls, fault: ErrorDetails) -> InitErrorDetails:
        loc, message = fault["loc"], WORDING.get(fault["type"], fault["msg"])
        if fault["type"] == "extra_forbidden" and len(loc) == 1:
            near = get_close_matches(str(loc[0]), cls.model_fields, n=1)
            message = "unknown key" + (f", did you mean `{near[0]}`?" if near else "")
        elif fault["type"] == "value_error":
            message = fault["msg"].removeprefix("Value error, ")
        elif fault["type"] == "literal_error":
            message = _nearest_choice(fault)
        return InitErrorDetails(type=fault_of(message), loc=loc, input=fault["input"])


def _holds_truth(value: object) -> bool:
    if isinstance(value, list | tuple):
        return any(isinstance(one, bool) for one in cast("list[object]", value))
    return isinstance(value, bool)


def _spelt(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_spelt(one) for one in cast("list[object]", value)]
    return str(value).lower() if isinstance(value, bool) else value


def _takes_numbers(field: FieldInfo | None) -> bool:
    """Whether a field takes numbers, or lists of them, and nothing else as it is given."""
    if field is None or any(isinstance(one, BeforeValidator) for one in field.metadata):
        return False
    kinds = set(_kinds(field.annotation)) - {type(None), Ellipsis}
    return bool(kinds) and kinds <= {int, float}


def _kinds(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    parts = () if get_origin(annotation) is Literal else get_args(annotation)
    if not parts:
        yield annotation
    for part in parts:
        yield from _kinds(part)


def fault_of(message: str) -> PydanticCustomError:
    """A validation fault that says exactly `message`."""
    return PydanticCustomError("fault", "{message}", {"message": message})


def one_of(
    registry: Registry[Any], *, short: Callable[[object], object] | None = None
) -> BeforeValidator:
    """Let a table choose its class by `kind`; `short` expands a shorthand into a table first."""

    def choose(value: object) -> object:
        if short is not None:
            value = short(value)
        if not isinstance(value, dict):
            return value
        if "kind" not in value:
            raise fault_of(f"the key `kind` is required, one of: {', '.join(registry)}")
        kind = value["kind"]  # pyright: ignore[reportUnknownVariableType]
        if kind not in registry:
            raise fault_of(registry.miss(str(kind)))  # pyright: ignore[reportUnknownArgumentType]
        return registry[str(kind)].model_validate(value)  # pyright: ignore[reportUnknownArgumentType]

    return BeforeValidator(choose)


def _nearest_choice(fault: ErrorDetails) -> str:
    expected = str(fault.get("ctx", {}).get("expected", ""))
    choices = [part.strip("' ") for part in expected.replace(" or ", ", ").split(", ")]
    near = get_close_matches(str(fault["input"]), choices, n=1)
    known = f"expected one of: {', '.join(choices)}"
    return f"unknown value `{fault['input']}`, " + (f"did you mean `{near[0]}`?" if near else known)
