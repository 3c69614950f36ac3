import numpy as np
import pytest

from recgoat_jax.encoders.text.buckets import bucket_widths, length_batches, rows_of


def test_widths_are_powers_of_two_and_halves_between():
    assert bucket_widths(256) == [16, 24, 32, 48, 64, 96, 128, 192, 256]
    assert bucket_widths(100) == [16, 24, 32, 48, 64, 96, 100]
    assert bucket_widths(9) == [9]


@pytest.mark.parametrize("tokens", [1, 64, 4096])
def test_every_text_is_in_one_batch_that_it_fits(tokens):
    lengths = np.random.default_rng(0).integers(2, 201, 300)
    batches = length_batches(lengths.tolist(), longest=200, tokens=tokens)
    assert sorted(row for batch in batches for row in batch.rows) == list(range(300))
    narrower = dict(zip(bucket_widths(200)[1:], bucket_widths(200), strict=False))
    for batch in batches:
        assert all(narrower.get(batch.width, 0) < lengths[row] <= batch.width for row in batch.rows)
        assert len(batch.rows) <= batch.slots <= 1.5 * len(batch.rows)
        assert batch.slots == 1 or batch.slots * batch.width <= tokens
    assert [batch.width for batch in batches] == sorted((batch.width for batch in batches), reverse=True)


def test_shapes_are_few():
    lengths = np.random.default_rng(0).integers(2, 257, 5000).tolist()
    shapes = {(batch.width, batch.slots) for batch in length_batches(lengths, longest=256, tokens=4096)}
    assert len(shapes) <= 2 * len(bucket_widths(256))


def test_no_texts_no_batches():
    assert length_batches([], longest=256, tokens=4096) == []


def test_a_rest_is_filled_up_to_a_power_of_two_or_the_half_before_it():
    assert [rows_of(16, count) for count in range(1, 17)] == [1, 2, 3, 4, 6, 6, 8, 8, 12, 12, 12, 12, 16, 16, 16, 16]
    assert rows_of(8, 8) == 8
