# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Quick start
#
# From the example set to recommendations, then the same with two tables of your own, and one loss in a training loop
# that is not ours. On two CPU cores it takes about five minutes; a GPU is used where there is one.

# %%
# In Colab, and only there: install the library and the wheel that carries the example set (its code is not used).
# LIBRARY may also be the path of a wheel that you uploaded, or "git+" and the address of a repository.
import subprocess
import sys

LIBRARY = "recgoat-jax"

try:
    import google.colab  # noqa: F401
except ImportError:
    pass
else:
    for package in ([LIBRARY], ["--no-deps", "recbole==1.2.1"]):
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", *package], check=True)

# %%
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from IPython.display import Image, Markdown, display

from recgoat_jax.data import describe, write_dataset
from recgoat_jax.data.prepare import prepare
from recgoat_jax.data.sources import table
from recgoat_jax.encoders import add_standard_features
from recgoat_jax.encoders.recipes import ExampleData, PreparedData, load_data
from recgoat_jax.losses import info_nce
from recgoat_jax.models import LightGcnConfig, MostPopularConfig, RecGoatConfig
from recgoat_jax.report import comparison_table, draw_curves, draw_fusion_weights
from recgoat_jax.serving import load_run
from recgoat_jax.training import Experiment, LoopConfig, OptimizerConfig, train

# A few epochs in the place of many, for a test of this notebook.
SMOKE = bool(os.environ.get("RECGOAT_SMOKE"))

# %% [markdown]
# ## The example set
#
# MovieLens-100K, for research use. It is split once, each user's films by chance into training, validation and test,
# and lies prepared in `prepared/ml-100k` from then on. Titles become the modality `text`, relations `knowledge`.

# %%
data = load_data(ExampleData())
print(describe(data.dataset))

# %%
counts = np.sort(data.dataset.item_counts)[::-1]
plt.loglog(np.arange(1, len(counts) + 1), np.maximum(counts, 1))
plt.xlabel("film, by popularity")
plt.ylabel("training ratings")
plt.show()

# %% [markdown]
# ## Training
#
# Three models under one protocol. Validation chooses the epoch, test is read once. Interrupted, a cell goes on where it
# was when it is run again; finished runs are read.

# %%
LOOP = LoopConfig(batch_size=4096, max_epochs=2 if SMOKE else 60, patience=5, evaluate_every=2, tensorboard=False)
OPTIMIZER = OptimizerConfig(learning_rate=5e-3)
DIM = 8 if SMOKE else 64
MODELS = {
    "most_popular": MostPopularConfig(),
    "lightgcn": LightGcnConfig(dim=DIM),
    "recgoat": RecGoatConfig(dim=DIM),
}

runs = []
for name, model in MODELS.items():
    experiment = Experiment(name=name, data=ExampleData(), model=model, optimizer=OPTIMIZER, loop=LOOP)
    result = train(experiment, workdir=Path("runs/notebook") / name)
    runs.append(load_run(result.directory))

# %% [markdown]
# ## How good are they?
#
# All films ranked that the user had not in training. With each mean: the lift over LightGCN, and p of a paired t-test
# over users, Holm-corrected.

# %%
display(Markdown(comparison_table(runs, baseline="lightgcn").to_markdown()))

# %%
FIGURES = Path("runs/notebook/figures")
curves, _ = draw_curves(runs[1:], FIGURES / "curves")
display(Image(curves))

# %% [markdown]
# What weight RecGOAT gives to IDs, titles and relations. The relations of this set are close to noise, for they link
# films by the numbering of another release.

# %%
weights, _ = draw_fusion_weights(runs[-1], FIGURES / "fusion_weights")
display(Image(weights))

# %%
for recommended in runs[-1].recommend(list(data.dataset.users.ids[:3]), k=5):
    print(f"user {recommended.user}")
    for item in recommended.items:
        print(f"   {item.score:6.2f}  {item.title or item.item}")

# %% [markdown]
# ## Your own two tables
#
# CSV, TSV, JSON lines or Parquet: interactions with `user` and `item` (and `rating`, `timestamp`, where there are),
# items with `item` and texts. Here a made-up shop of teas, whose customers like one kind each: put your own files in
# the place of these two.

# %%
own = Path("runs/notebook/own")
own.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(0)
KINDS = ("green", "black", "white", "herbal")
teas = [(f"t{number:02d}", KINDS[number % 4]) for number in range(48)]
(own / "items.csv").write_text("item,title\n" + "".join(f"{tea},{kind} tea number {tea[1:]}\n" for tea, kind in teas))
lines = ["user,item\n"]
for customer in range(120):
    liked = [tea for tea, kind in teas if kind == KINDS[customer % 4]]
    others = [tea for tea, kind in teas if kind != KINDS[customer % 4]]
    bought = [*rng.choice(liked, 7, replace=False), *rng.choice(others, 2, replace=False)]
    lines += [f"c{customer:03d},{tea}\n" for tea in bought]
(own / "interactions.csv").write_text("".join(lines))

# %%
raw = table.read(own / "interactions.csv", items=own / "items.csv")
shop = add_standard_features(prepare(raw, name="teas", protocol="per_user_811"), raw)
write_dataset(shop, own / "prepared")
print(describe(shop))

# %%
experiment = Experiment(
    name="teas",
    data=PreparedData(own / "prepared"),
    model=RecGoatConfig(dim=8 if SMOKE else 32),
    optimizer=OPTIMIZER,
    loop=LoopConfig(batch_size=256, max_epochs=2 if SMOKE else 60, patience=5, tensorboard=False),
)
mine = load_run(train(experiment, workdir=own / "run").directory)
for recommended in mine.recommend(["c000", "c001"], k=5):
    print(recommended.user, [item.title for item in recommended.items])

# %% [markdown]
# ## One loss in your own loop
#
# The losses are functions of arrays and need nothing but JAX. InfoNCE pulls each query towards its key and away from
# the others, here in a plain optax loop.

# %%
keys = jax.random.normal(jax.random.key(0), (256, 32))
params = {"queries": jax.random.normal(jax.random.key(1), (256, 32))}
optimizer = optax.adam(1e-2)
state = optimizer.init(params)


@jax.jit
def step(params, state):
    loss, gradient = jax.value_and_grad(lambda p: info_nce(p["queries"], keys, temperature=0.2))(params)
    updates, state = optimizer.update(gradient, state)
    return optax.apply_updates(params, updates), state, loss


losses = []
for _ in range(10 if SMOKE else 200):
    params, state, loss = step(params, state)
    losses.append(float(loss))
plt.plot(losses)
plt.axhline(float(jnp.log(256)), color="grey", linestyle=":", label="chance, log 256")
plt.xlabel("step")
plt.ylabel("InfoNCE, nats")
plt.legend()
plt.show()
