import numpy as np
import pytest

from recgoat_jax.errors import UsageError
from recgoat_jax.models import ContentKnn, content_knn
from tests.worlds import blocks


@pytest.mark.parametrize("kept", [2**28, 0])
def test_scores_against_loops(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content_knn, "_MOST_LIKENESSES", kept)
    world = blocks(cold=(3,))
    scores = ContentKnn(world, k=2)(np.array([0, 7]))
    for row, user in enumerate((0, 7)):
        history = world.train.items[world.train.users == user]
        for item in range(world.num_items):
            cosines = np.zeros(len(history))
            for table in world.item_features.values():
                for place, other in enumerate(history):
                    if table.present[item] and table.present[other]:
                        a, b = table.values[item].astype(float), table.values[other].astype(float)
                        cosines[place] += a @ b / np.linalg.norm(a) / np.linalg.norm(b) / 2
            assert scores[row, item] == pytest.approx(np.sort(cosines)[-2:].sum(), abs=1e-5)


def test_an_item_without_training_pairs_is_found_by_its_block() -> None:
    world = blocks(cold=(3,))
    scores = ContentKnn(world, k=5, modalities=["text"])(np.array([0, 8]))
    assert scores[0, 3] > scores[0, 8:].max()
    assert scores[1, 3] < scores[1, 8:].min()


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(UsageError, match=r"content kNN over \['sound'\]; expected modalities of 'blocks'"):
        ContentKnn(blocks(), k=1, modalities=["sound"])
    with pytest.raises(ValueError, match="k is 0"):
        ContentKnn(blocks(), k=0)
