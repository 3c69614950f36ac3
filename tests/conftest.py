"""Fixtures that several folders share."""

import os

# One device and no accelerator, whatever the machine has: expected values are those of float32 on CPU.
os.environ.setdefault("JAX_PLATFORMS", "cpu")

# Compilation is what these tests cost. Without LLVM's optimisations it takes half the time, values are as exact, and
# the small arrays here run no slower. Child processes inherit the setting.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "true")

_FLAGS = os.environ.get("XLA_FLAGS")


def pytest_collection_finish() -> None:
    """Programs that set their own devices run in processes of their own: imported here, they would set everybody's."""
    assert os.environ.get("XLA_FLAGS") == _FLAGS
