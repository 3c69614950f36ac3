"""Fixtures that several folders share."""

import os

# One device and no accelerator, whatever the machine has: expected values are those of float32 on CPU.
os.environ.setdefault("JAX_PLATFORMS", "cpu")

# Compilation is what these tests cost. Without LLVM's optimisations it takes half the time, values are as exact, and
# the small arrays here run no slower. Child processes inherit the setting.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "true")
