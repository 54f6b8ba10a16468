"""Errors as answers: one body for all, whose ``detail`` names the value and the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from sigmascope import errors
from sigmascope.schemas import KINDS, MODEL_KINDS, Problem

STATUS: dict[type[errors.SigmascopeError], int] = {
    errors.NotFoundError: 404,
    errors.InvalidValueError: 422,
    errors.BrokerUnavailableError: 503,
}


def install(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(errors.SigmascopeError, _on_purpose)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def _on_purpose(_: Request, error: Exception) -> JSONResponse:
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
    return _answer(status, Problem(error=type(error).__name__, detail=str(error)))


def _invalid(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    found = _first_causes(error.errors())
    fields = [
        {"field": _field(one["loc"]), "message": _message(one), "value": _plain(one.get("input"))}
        for one in found
    ]
    sentence = "; ".join(map(_sentence, found))
    return _answer(422, Problem(error="InvalidValueError", detail=sentence, fields=fields))


def _http(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    return _answer(error.status_code, Problem(error="HTTPError", detail=str(error.detail)))


def _answer(status: int, problem: Problem) -> JSONResponse:
    return JSONResponse(problem.model_dump(), status_code=status)


def _first_causes(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what pydantic says of a list because members of it were refused: that it is too short now."""
    refused = {one["loc"][:-1] for one in found}
    return [one for one in found if one["type"] != "too_short" or one["loc"] not in refused]


def _field(location: tuple[int | str, ...]) -> str:
    # pydantic names the member of a union, of jobs or models, before its field
    hidden = ("body", "query", "path", *KINDS, *MODEL_KINDS)
    return ".".join(str(part) for part in location if part not in hidden) or "body"


def _sentence(one: dict[str, Any]) -> str:
    field, message = _field(one["loc"]), _message(one)
    # a rule over several fields names them itself
    return message if field == "body" and one["type"] == "value_error" else f"{field}: {message}"


def _message(one: dict[str, Any]) -> str:
    message = str(one["msg"]).removeprefix("Value error, ")
    if one["type"] == "extra_forbidden":
        return "unknown field; GET /openapi.json lists the fields"
    if one["type"] in ("missing", "value_error", "json_invalid", "unknown_kind"):
        return message
    return f"{message}, got {_plain(one.get('input'))!r}"


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | bool | type(None)) else str(value)
