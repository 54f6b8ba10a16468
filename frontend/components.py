"""Pieces that several pages share."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import html

from frontend.api import RefusedError


def panel(
    *, name: str, title: str, help_text: str, body: list[Any], controls: list[Any] | None = None
) -> html.Section:
    """A panel: title, controls, "?", one sentence that the player writes, and what it draws."""
    heading = html.H2(title, id=f"{name}-title")
    head = html.Div(
        [heading, help_button(title, help_text), html.Div(controls or [], className="panel-controls")]
    )
    head.className = "panel-head"
    reading = html.P(id=f"{name}-reading", className="panel-reading")
    return html.Section(
        [head, reading, *body], className=f"panel panel-{name}", **{"aria-labelledby": f"{name}-title"}
    )


def plot(name: str, label: str) -> html.Div:
    """An empty frame that the player draws in."""
    canvas = html.Div(id=f"{name}-plot", className="plot", role="img", **{"aria-label": label})
    return html.Div(canvas, className="plot-frame")


def help_button(title: str, text: str) -> dmc.Popover:
    """A "?" that explains in two sentences."""
    button = dmc.ActionIcon(
        "?",
        variant="subtle",
        color="gray",
        size="sm",
        radius="xl",
        className="help",
        **{"aria-label": f"About: {title}"},
    )
    return dmc.Popover(
        [dmc.PopoverTarget(button), dmc.PopoverDropdown(html.P(text, className="help-text"))],
        width=340,
        position="bottom-start",
        shadow="md",
        withArrow=True,
        trapFocus=False,
    )


def legend_entry(mark: str, label: str, switches: str | None = None) -> html.Button | html.Span:
    """A mark and its name; a button where the figure's marks named in ``switches`` can be hidden."""
    content = [html.Span(className=f"mark mark-{mark}", **{"aria-hidden": "true"}), label]
    if switches is None:
        return html.Span(content, className="legend-entry")
    return html.Button(
        content,
        type="button",
        className="legend-entry",
        title=f"Show or hide: {label}",
        **{"data-mark": switches, "aria-pressed": "true"},
    )


def segmented(name: str, label: str, choices: tuple[tuple[str, str], ...], data: str) -> html.Div:
    """Buttons of which one is pressed, first the first; the player reads their ``data-<data>``."""
    buttons = [
        html.Button(
            text, type="button", **{f"data-{data}": value, "aria-pressed": "true" if i == 0 else "false"}
        )
        for i, (value, text) in enumerate(choices)
    ]
    return html.Div(buttons, id=name, className="segmented", role="group", **{"aria-label": label})


def problem_alert(error: Exception, *, title: str) -> dmc.Alert:
    """An error in the words of the service, with the fields that it names."""
    lines: list[Any] = [html.P(str(error), className="problem-detail")]
    if isinstance(error, RefusedError):
        named = [f"{field['field']}: {field['message']}" for field in error.problem.fields]
        named = [line for line in named if line not in str(error)]
        if named:
            lines.append(html.Ul([html.Li(line) for line in named], className="problem-fields"))
    return dmc.Alert(
        lines, title=title, color="red", variant="light", className="problem", **{"data-problem": "yes"}
    )


def message_page(*, title: str, text: str, detail: str = "") -> html.Div:
    """A page that says one thing and shows the way back."""
    parts: list[Any] = [html.H1(title), html.P(text)]
    if detail:
        parts.append(html.P(detail, className="muted"))
    parts.append(dmc.Anchor("All runs", href="/"))
    return html.Div(parts, className="message-page", id="message-page")
