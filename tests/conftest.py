"""Fixtures that several folders share."""

import os

# One device and no accelerator, whatever the machine has: expected values are those of float32 on CPU.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
