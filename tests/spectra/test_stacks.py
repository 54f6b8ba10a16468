"""Small tensors side by side."""

import torch

from sigmascope.spectra.stacks import aligned, by_shape


def test_by_shape_calls_once_for_a_shape_and_keeps_the_order() -> None:
    shapes, calls = [(3, 2), (4, 2), (3, 2), (3, 2)], []
    ones = [torch.full(shape, float(place)) for place, shape in enumerate(shapes)]
    others = [torch.ones(2, 5) for _ in shapes]

    def work(one: torch.Tensor, other: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        calls.append(one.shape)
        return one @ other, 10 * one

    found = by_shape(work, ones, others)
    assert calls == [(3, 3, 2), (4, 2)]
    assert [tuple(product.shape) for product, _ in found] == [(3, 5), (4, 5), (3, 5), (3, 5)]
    assert [float(tenfold[0, 0]) for _, tenfold in found] == [0.0, 10.0, 20.0, 30.0]
    assert [float(product[0, 0]) for product, _ in found] == [0.0, 2.0, 4.0, 6.0]
    assert by_shape(work, [], []) == []


def test_aligned_copies_what_begins_elsewhere() -> None:
    whole = torch.arange(12.0)
    assert aligned(whole) is whole
    part = aligned(whole[1:])
    assert part.data_ptr() != whole[1:].data_ptr()
    assert torch.equal(part, whole[1:])
