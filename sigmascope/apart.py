"""Computation that neither enters the training around it nor takes its shortcuts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")

_DEVICES = ("cpu", "cuda", "mps")
# where torch keeps how it may round the factors of float32 products, and when it may not
_PRODUCTS = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)  # type: ignore[attr-defined]
_FULL = ("none", "ieee")


def apart_from_training(function: Callable[P, R]) -> Callable[P, R]:
    """``function`` without autograd, in the full precision of its arguments.

    What training can bear, a spectrum cannot: under autocast products are made in bfloat16, and in TF32
    (``torch.set_float32_matmul_precision("high")``) factors keep ten bits. Inside, both are off; afterwards
    they are as before. The second is one setting of the whole process, which other threads see meanwhile.
    """

    @wraps(function)
    def apart(*args: P.args, **kwargs: P.kwargs) -> R:
        shortened, inference = _shortened(), torch.is_inference_mode_enabled()
        if not (shortened or inference):
            if not torch.is_grad_enabled():
                return function(*args, **kwargs)  # apart already
            try:
                # no_grad() takes as long as a small operation, and an interrupt within it leaves autograd off
                torch._C._set_grad_enabled(False)
                return function(*args, **kwargs)
            finally:
                torch._C._set_grad_enabled(True)
        # inference mode too is left: what is kept there could never be changed outside of it
        with torch.inference_mode(False), torch.no_grad(), _full_precision() if shortened else nullcontext():
            return function(*args, **kwargs)

    return apart


def _shortened() -> bool:
    gpu, cpu = _PRODUCTS  # one by one: asked a dozen times a batch
    if gpu.fp32_precision not in _FULL or cpu.fp32_precision not in _FULL:
        return True
    enabled = torch.is_autocast_enabled
    return enabled("cpu") or enabled("cuda") or enabled("mps")


@contextmanager
def _full_precision() -> Iterator[None]:
    before = [products.fp32_precision for products in _PRODUCTS]
    with ExitStack() as stack:
        for device in filter(torch.is_autocast_enabled, _DEVICES):
            stack.enter_context(torch.autocast(device, enabled=False))
        try:
            for products in _PRODUCTS:
                products.fp32_precision = "ieee"
            yield
        finally:
            for products, precision in zip(_PRODUCTS, before, strict=True):
                products.fp32_precision = precision
