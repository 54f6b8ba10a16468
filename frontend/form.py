"""A form from a JSON schema: titles, descriptions and bounds are those of the type the service checks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import dash_mantine_components as dmc

Kind = Literal["integer", "number", "text", "choice", "flag"]


@dataclass(frozen=True, slots=True)
class FormField:
    """One input. ``path`` is dotted (``model.width``); ``bounds`` reads like ``1 … 8,192``, or is empty."""

    path: str
    kind: Kind
    title: str
    description: str
    default: Any
    minimum: float | None = None
    maximum: float | None = None
    bounds: str = ""
    choices: tuple[str, ...] = ()


def form_fields(
    schema: dict[str, Any], *, skip: frozenset[str] = frozenset({"kind", "preset"})
) -> list[FormField]:
    """The fields of ``schema`` in order, those of nested models in place; discriminators are left out."""
    return _walk(schema, definitions=schema.get("$defs", {}), prefix="", skip=skip)


def _walk(
    schema: dict[str, Any], *, definitions: dict[str, Any], prefix: str, skip: frozenset[str]
) -> list[FormField]:
    found: list[FormField] = []
    for name, spec in schema.get("properties", {}).items():
        nested = _resolve(spec, definitions)
        if name in skip or nested.get("type") == "array":  # lists are for REST and the command line
            continue
        if "oneOf" in nested:
            found += _union(nested, definitions=definitions, prefix=f"{prefix}{name}.")
        elif nested.get("type") == "object":
            found += _walk(nested, definitions=definitions, prefix=f"{prefix}{name}.", skip=skip)
        else:
            found.append(_field(f"{prefix}{name}", nested))
    return found


def _union(spec: dict[str, Any], *, definitions: dict[str, Any], prefix: str) -> list[FormField]:
    """The fields of all variants, each once: which of them a variant has, the service knows.

    Those that the first variant lacks begin empty.
    """
    variants = [_resolve(one, definitions) for one in spec["oneOf"]]
    tag = spec["discriminator"]["propertyName"]
    tags = tuple(str(one["properties"][tag]["const"]) for one in variants)
    title = str(spec.get("title", tag))
    found = {tag: FormField(f"{prefix}{tag}", "choice", title, "", tags[0], choices=tags)}
    for i, variant in enumerate(variants):
        for field in _walk(variant, definitions=definitions, prefix=prefix, skip=frozenset({tag})):
            found.setdefault(field.path, field if i == 0 else replace(field, default=None))
    return list(found.values())


def _resolve(spec: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    reference = spec.get("$ref")
    return {**definitions[reference.rsplit("/", 1)[-1]], **spec} if reference else spec


def _field(path: str, spec: dict[str, Any]) -> FormField:
    choices = tuple(str(c) for c in spec.get("enum", [spec["const"]] if "const" in spec else []))
    kinds: dict[str, Kind] = {"integer": "integer", "number": "number", "boolean": "flag"}
    return FormField(
        path=path,
        kind="choice" if choices else kinds.get(spec.get("type", ""), "text"),
        title=spec.get("title", path),
        description=spec.get("description", ""),
        default=spec.get("default"),
        minimum=spec.get("minimum", spec.get("exclusiveMinimum")),
        maximum=spec.get("maximum", spec.get("exclusiveMaximum")),
        bounds=_bounds(spec),
        choices=choices,
    )


# a bound beyond this guards the service; to the reader it is noise
_FAR = 1e6


def _bounds(spec: dict[str, Any]) -> str:
    low, above, high = spec.get("minimum"), spec.get("exclusiveMinimum"), spec.get("maximum")
    near = high is not None and high < _FAR
    if low is not None:
        return f"{_plain(low)} … {_plain(high)}" if near else f"at least {_plain(low)}"
    if above is not None:
        return f"above {_plain(above)}" + (f", up to {_plain(high)}" if near else "")
    return ""


def _plain(bound: float) -> str:
    return f"{int(bound):,}" if bound == int(bound) else f"{bound:,}"


def control_id(path: str, *, form: str = "spec") -> dict[str, str]:
    """The Dash id of a field's control in ``form``."""
    return {"type": form, "path": path}


def control(field: FormField, *, form: str = "spec") -> Any:
    """The input for ``field``. Nothing is clamped: what is out of bounds, the service refuses by name."""
    about = " · ".join(part for part in (field.description, field.bounds) if part)
    common: dict[str, Any] = {
        "id": control_id(field.path, form=form),
        "label": field.title,
        "description": about or None,
        "size": "sm",
        "value": shown(field.default),
    }
    if field.kind == "flag":
        return dmc.Select(
            data=[{"value": "true", "label": "yes"}, {"value": "false", "label": "no"}],
            allowDeselect=False,
            **common,
        )
    if field.kind == "choice":
        return dmc.Select(
            data=[{"value": choice, "label": choice.replace("_", " ")} for choice in field.choices],
            allowDeselect=False,
            disabled=len(field.choices) == 1,
            **common,
        )
    if field.kind == "text":
        return dmc.TextInput(**common)
    return dmc.NumberInput(
        clampBehavior="none",
        allowDecimal=field.kind == "number",
        thousandSeparator=",",
        hideControls=True,
        **common,
    )


def shown(value: Any) -> Any:
    """The value of a control; of a flag, the word that the service reads. Empty for what a variant lacks."""
    return str(value).lower() if isinstance(value, bool) else "" if value is None else value


def nested(values: dict[str, Any]) -> dict[str, Any]:
    """``{"model.width": 8}`` to ``{"model": {"width": 8}}``; empty inputs are left to the preset."""
    tree: dict[str, Any] = {}
    for path, value in values.items():
        if value is None or value == "":
            continue
        *parents, leaf = path.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = value
    return tree


def at_path(tree: dict[str, Any], path: str) -> Any:
    """The value at a dotted path, or None."""
    node: Any = tree
    for part in path.split("."):
        if not isinstance(node, dict):
            return None
        node = node.get(part)
    return node
