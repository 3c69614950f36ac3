"""What a program that only wants a loss pays for it, and what it meets without run-time type checks."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]


def in_fresh_process(program: str) -> list:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_importing_the_losses_loads_jax_numpy_and_jaxtyping_only() -> None:
    ours = in_fresh_process(
        """
        import json, sys
        import jax, numpy, jaxtyping
        before = set(sys.modules)
        import recgoat_jax.losses
        print(json.dumps(sorted(set(sys.modules) - before)))
        """
    )
    allowed = ("recgoat_jax", "jax", "jaxlib", "numpy", "jaxtyping")
    standard = sys.stdlib_module_names
    assert [name for name in ours if name.split(".")[0] not in (*allowed, *standard)] == []
    heavy = ("flax", "ott", "orbax", "polars", "jraph", "optax", "scipy", "pyarrow")
    assert not [name for name in ours if name.split(".")[0] in heavy]
    assert [name for name in ours if name.startswith("recgoat_jax.")] == [
        name for name in ours if name.startswith(("recgoat_jax.collectives", "recgoat_jax.losses"))
    ]


def test_first_call_inside_a_trace_with_warnings_as_errors_and_messages_for_wrong_shapes() -> None:
    messages = in_fresh_process(
        """
        import json, os
        os.environ["JAX_PLATFORMS"] = "cpu"
        import jax, jax.numpy as jnp
        from recgoat_jax.losses import *
        x, y = jax.random.normal(jax.random.key(0), (2, 20, 3))

        # ott is imported while a function is traced: what its modules make must outlive the trace.
        first = jax.jit(lambda x: feature_transport(x, y, num_iterations=5).plan)(x)
        again = feature_transport(x, y, num_iterations=5).plan
        assert jnp.allclose(first, again, atol=1e-5)

        def message(function, *arguments, **options):
            try:
                function(*arguments, **options)
            except ValueError as error:
                return str(error)

        print(json.dumps([
            message(info_nce, x, y[:5]),
            message(bpr_loss, x[:, 0], y[:5, 0]),
            message(sampled_softmax_loss, x, y, temperature=-1.0),
            message(feature_transport, x, y[:5]),
            message(feature_transport, x[:0], y[:0]),
            message(feature_transport, x, y, epsilon=0.0),
            message(feature_transport, x, y, num_iterations=0),
            message(released_transport, x, y[:5]),
            message(wasserstein_distance, x, y[:, :2]),
            message(sliced_wasserstein_distance, x, y, key=jax.random.key(0), num_projections=0),
        ]))
        """
    )
    assert None not in messages
    assert "(20, 3)" in messages[0]
    assert "(5, 3)" in messages[0]
    assert "temperature must be positive, got -1.0" in messages[2]
    assert "epsilon must be positive, got 0.0" in messages[5]
