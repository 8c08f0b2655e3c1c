"""What the handlers' signatures do not tell the OpenAPI document: bodies decoded by hand, problems."""

import inspect
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example, OpenAPIMediaType, Operation, RequestBody
from tradepit.ingress.errors import PROBLEM_MEDIA_TYPE, ProblemDocument


def operation_with_body(
    body: type[msgspec.Struct], examples: dict[str, dict[str, Any]]
) -> type[Operation]:
    """An Operation whose body is the Struct `body`, with its JSON schema written out."""
    _, components = msgspec.json.schema_components((body,))
    schema = _written_out(components[body.__name__], components)
    request_body = RequestBody(
        required=True,
        content={
            "application/json": OpenAPIMediaType(
                schema=cast(Any, schema),  # Litestar passes a plain schema through as it is
                examples={
                    name: Example(summary=name, value=value) for name, value in examples.items()
                },
            )
        },
    )

    @dataclass
    class OperationWithBody(Operation):
        def __post_init__(self) -> None:
            self.request_body = request_body

    return OperationWithBody


def _written_out(schema: Any, components: dict[str, Any]) -> Any:
    """The schema with every component in the place that refers to it."""
    if isinstance(schema, list):
        return [_written_out(each, components) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _written_out(components[schema["$ref"].rpartition("/")[2]], components)
    return {name: _written_out(value, components) for name, value in schema.items()}


def documented(*handlers: HTTPRouteHandler) -> list[HTTPRouteHandler]:
    """The handlers, each with its docstring: the first line as summary, the rest as description."""
    for handler in handlers:
        handler.summary, _, rest = (inspect.getdoc(handler.fn) or "").partition("\n\n")
        handler.description = rest or None
    return list(handlers)


def problem_responses(*statuses: int) -> dict[int, ResponseSpec]:
    """The note that these statuses come with a problem document."""
    return {
        status: ResponseSpec(
            ProblemDocument,
            generate_examples=False,
            description="Refused: `code` says why.",
            media_type=cast(Any, PROBLEM_MEDIA_TYPE),
        )
        for status in statuses
    }
