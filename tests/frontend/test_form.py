"""The form follows the schema of the type that the service validates."""

from __future__ import annotations

import dash_mantine_components as dmc
import pytest

from frontend.form import at_path, control, form_fields, nested, shown
from sigmascope.schemas import SimulateSpec, TrainSpec

FIELDS = {field.path: field for field in form_fields(TrainSpec.model_json_schema())}


def test_every_field_of_the_specification_has_one_input() -> None:
    names = set(TrainSpec.model_fields) - {"kind", "preset", "model", "predictors"}  # a list is for REST
    assert names <= FIELDS.keys()
    assert {"model.kind", "model.width", "model.depth", "model.heads"} <= FIELDS.keys()
    assert "kind" not in FIELDS


def test_a_union_offers_its_variants_and_what_the_first_lacks_begins_empty() -> None:
    assert FIELDS["model.kind"].choices == ("mlp", "vit", "gpt")
    assert FIELDS["model.kind"].default == "mlp"
    assert FIELDS["model.depth"].default == 3
    assert FIELDS["model.heads"].default is None


def test_a_flag_is_a_choice_in_the_words_of_the_service() -> None:
    assert control(FIELDS["nesterov"]).value == "false"
    assert [shown(value) for value in (True, None, 0, "x")] == ["true", "", 0, "x"]


def test_titles_descriptions_and_bounds_come_from_the_schema() -> None:
    width = FIELDS["model.width"]
    assert (width.kind, width.title, width.minimum, width.maximum) == ("integer", "Width", 1, 8192)
    assert width.bounds == "1 … 8,192"
    assert FIELDS["learning_rate"].bounds.startswith("above 0")
    assert FIELDS["evaluate_every"].bounds == "at least 1"


@pytest.mark.parametrize(
    ("path", "kind"),
    [("batches", dmc.NumberInput), ("name", dmc.TextInput), ("device", dmc.Select), ("dataset", dmc.Select)],
)
def test_the_type_of_a_field_picks_its_input(path: str, kind: type) -> None:
    assert isinstance(control(FIELDS[path]), kind)


def test_nothing_is_clamped_so_that_the_service_can_refuse_by_name() -> None:
    assert control(FIELDS["batches"]).clampBehavior == "none"


def test_a_single_choice_is_shown_and_cannot_be_changed() -> None:
    fields = {field.path: field for field in form_fields(SimulateSpec.model_json_schema())}
    device = control(fields["device"])
    assert device.data == [{"value": "cpu", "label": "cpu"}]
    assert device.disabled


def test_dotted_paths_become_nested_and_empty_inputs_stay_out() -> None:
    values = {"model.width": 8, "model.depth": 2, "name": "", "seed": None, "batches": 3}
    assert nested(values) == {"model": {"width": 8, "depth": 2}, "batches": 3}


def test_at_path_reads_what_nested_wrote() -> None:
    assert at_path({"model": {"width": 8}}, "model.width") == 8
    assert at_path({"model": 3}, "model.width") is None


def test_defaults_make_a_valid_specification() -> None:
    spec = TrainSpec.model_validate(nested({path: field.default for path, field in FIELDS.items()}))
    assert spec == TrainSpec()
