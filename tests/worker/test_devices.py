"""Where a run computes: what is there, what is said when it is not, and the same bits again on a GPU."""

from __future__ import annotations

import pytest
import torch

from sigmascope.errors import InvalidValueError
from worker import devices
from worker.devices import Placement, choose_device, make_repeatable


@pytest.fixture
def no_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.usefixtures("no_accelerator")
class TestWithoutAnAccelerator:
    def test_auto_takes_the_cpu_and_says_why(self) -> None:
        placement = choose_device("auto")
        assert placement.device.type == "cpu"
        assert placement.describe().endswith("(auto: no CUDA or MPS here)")

    @pytest.mark.parametrize("name", devices.ACCELERATORS)
    def test_what_was_asked_for_and_is_not_there_is_refused(self, name: str) -> None:
        with pytest.raises(InvalidValueError, match=rf"'{name}' is not available.*'cpu' or 'auto'"):
            choose_device(name)

    def test_a_worker_that_may_take_the_cpu_instead_says_so(self) -> None:
        placement = choose_device("cuda", missing="cpu")
        assert placement.device.type == "cpu"
        assert placement.describe().endswith("(cuda was asked for and is not here)")
        assert len(placement.describe()) <= 80  # what the run's row holds

    def test_the_cpu_needs_no_note(self) -> None:
        assert choose_device("cpu").describe() == Placement(torch.device("cpu")).describe()
        assert "(" not in choose_device("cpu").describe()


def test_auto_prefers_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto").device.type == "mps"
    assert choose_device("auto").describe() == "Apple GPU"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").device.type == "cuda"


def test_the_cpu_is_repeatable_as_it_is() -> None:
    torch.use_deterministic_algorithms(False)
    make_repeatable(torch.device("cpu"))
    assert not torch.are_deterministic_algorithms_enabled()
