"""The page docs/reproduction.md: each figure beside what the paper says of it, point by point."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sigmascope.errors import InvalidValueError
from sigmascope.presets import QUICK

MARKS = {"agrees": "✓ agrees", "differs": "✗ **differs**", "undecided": "– undecided"}
# how the extent of data begins that are not all of their set
SUBSET = "a subset"
INTRODUCTION = """\
# The paper's figures, made anew

*From SGD to Spectra* (Olsen et al., ICML 2025) shows five figures. Here is each of them from runs of
sigmascope, beside what the paper says of it, point by point. A verdict is decided by code from the numbers,
by the criterion named in its row: *agrees* where what was found lies where the paper says, *differs* where
it lies elsewhere, *undecided* where it leaves room for both, as a test that finds nothing does. Formulas are
the paper's as printed, and what is exact is said where the two part. All numbers are in the JSON beside each
image.
"""


def load(folder: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    """The documents of the figures found in ``folder``, in order; InvalidValueError when there is none."""
    paths = [path for path in (folder / f"{name}.json" for name in names) if path.is_file()]
    if not paths:
        raise InvalidValueError(
            f"no fig1.json ... fig5.json in {folder}; `sigmascope reproduce --out {folder}` makes them"
        )
    return [json.loads(path.read_text()) for path in paths]


def markdown(documents: Sequence[dict[str, Any]], *, images: str) -> str:
    """The page; ``images`` is the path from the page to the folder of the figures."""
    tally = Counter(point["verdict"] for told in documents for point in told["points"])
    counts = ", ".join(
        f"{tally[name]} {word}"
        for name, word in (("agrees", "agree"), ("differs", "differ"), ("undecided", "undecided"))
        if tally[name]
    )
    parts = [INTRODUCTION, f"Of {tally.total()} statements, {counts}.\n", commands(documents)]
    return "\n".join([*parts, *(section(told, images) for told in documents)])


def commands(documents: Sequence[dict[str, Any]]) -> str:
    """How to make the page."""
    small = [told["figure"] for told in documents if is_quick(told)]
    full = [told["figure"] for told in documents if not is_quick(told)]
    partly = [told["figure"] for told in documents if is_on_a_part(told) and not is_quick(told)]
    warning = (
        f"> {', '.join(small)} from `--quick` runs: small networks, built-in data, few batches. "
        "Their verdicts are about those.\n\n"
        if small
        else ""
    )
    if partly:
        warning += (
            f"> {', '.join(partly)} from runs on a part of a data set, as the lines above their tables say. "
            "Their verdicts are about that.\n\n"
        )
    lines = "".join(
        f"sigmascope reproduce {' '.join(names)}{flag} --out docs/reproduction --page docs/reproduction.md\n"
        for names, flag in ((full, ""), (small, " --quick"))
        if names
    )
    return f"{warning}```sh\nsigmascope up        # in another terminal\n{lines}```\n"


def is_quick(told: dict[str, Any]) -> bool:
    """True when a run of the figure was of a preset's small version."""
    return any(run["preset"].endswith(QUICK) for run in told["runs"])


def is_on_a_part(told: dict[str, Any]) -> bool:
    """True when a run of the figure was trained on a subset."""
    return any(run.get("data", {}).get("extent", "").startswith(SUBSET) for run in told["runs"])


def section(told: dict[str, Any], images: str) -> str:
    """One figure."""
    name, number = told["figure"], told["figure"].removeprefix("fig")
    rows = "\n".join(
        f"| {cell(point['statement'])} | {cell(point['found'])} | {cell(point['criterion'])} | "
        f"{MARKS[point['verdict']]} |"
        for point in told["points"]
    )
    return f"""\
## Figure {number}: {told["title"]}

![Figure {number}: {told["title"]}]({images}/{name}.png)

{told["caption"]} [SVG]({images}/{name}.svg), [data]({images}/{name}.csv), [numbers]({images}/{name}.json).

{chr(10).join(run_line(run) for run in told["runs"])}

| the paper | found | decided by | |
| --- | --- | --- | --- |
{rows}
"""


def run_line(run: dict[str, Any]) -> str:
    """What was run."""
    spec = run["spec"]
    base = spec.get("base", spec)
    swept = (
        f", {len(spec['values'])} values of {spec['field']}, {len(spec['seeds'])} seeds"
        if "base" in spec
        else ""
    )
    rate = "" if swept else f", learning rate {base['learning_rate']:g}, seed {base['seed']}"
    took = f", {run['seconds']:.0f} s" if run["seconds"] is not None else ""
    return (
        f"- `{run['preset']}`: {base['model']['kind'].upper()} of width {base['model']['width']} on "
        f"{base['dataset']}, {base['batches']} batches of {base['batch_size']}{rate}{swept}{took}"
        + (f" on {run['device']}" if run["device"] else "")
        + f". Data: {run.get('data', {}).get('extent', 'how many of them was not recorded')}"
    )


def cell(text: str) -> str:
    """Text that a table can hold."""
    return text.replace("|", "\\|").replace("\n", " ")
