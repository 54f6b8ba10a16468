"""What a worker loads before it forks."""

from __future__ import annotations

import subprocess
import sys

import pytest

FORKED = """
import os, sys
from worker import jobs
jobs.load()
before = set(sys.modules)
child = os.fork()
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
import torch
torch.set_num_threads(2)
device = "cuda" if torch.cuda.is_available() else "cpu"
model = torch.nn.Linear(600, 600).to(device)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
model(torch.ones(600, 600, device=device)).square().mean().backward()
optimizer.step()
torch.linalg.svdvals(model.weight.detach())
late = set(sys.modules) - before
assert not late & {"sympy", "torch.optim", "torch._dynamo", "worker.training"}, late
os._exit(0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="workers load beforehand on Linux alone")
def test_forks_train_at_once() -> None:
    """Where there is a GPU, on it; with threads, which would wait for ever had the parent had some."""
    done = subprocess.run(
        [sys.executable, "-c", FORKED], timeout=120, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
