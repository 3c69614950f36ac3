# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # RecGOAT, explained
#
# The parts of RecGOAT (arXiv 2602.00682) on arrays small enough to look at, then in a short training. Symbols and
# sources are those of the page *Mathematics* of the documentation.

# %%
# In Colab, and only there: install the library.
# LIBRARY may also be the path of a wheel that you uploaded, or "git+" and the address of a repository.
import subprocess
import sys

LIBRARY = "recgoat-jax"

try:
    import google.colab  # noqa: F401
except ImportError:
    pass
else:
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", LIBRARY], check=True)

# %%
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from flax import nnx

from recgoat_jax.data import Interactions
from recgoat_jax.encoders.recipes import GeneratedData, load_data
from recgoat_jax.graphs import Adjacency, bipartite_graph, lightgcn
from recgoat_jax.losses import cmcl_loss, feature_transport, info_nce, released_transport, wasserstein_distance
from recgoat_jax.models import RecGoat, RecGoatConfig
from recgoat_jax.nn.alignment import AdaptiveTransport, match_scale, standardize
from recgoat_jax.nn.fusion import WeightedFusion
from recgoat_jax.report import draw_fusion_weights
from recgoat_jax.serving import load_run
from recgoat_jax.training import Experiment, LoopConfig, OptimizerConfig, train

# A few epochs in the place of many, for a test of this notebook.
SMOKE = bool(os.environ.get("RECGOAT_SMOKE"))


def show(matrix, title, axes=None):
    """A matrix as a picture, one colour scale from 0 up."""
    axes = plt.subplots(figsize=(3.2, 3))[1] if axes is None else axes
    picture = axes.imshow(matrix, cmap="viridis", vmin=0)
    axes.set_title(title, fontsize=9)
    axes.figure.colorbar(picture, ax=axes, shrink=0.8)


# %% [markdown]
# ## 1. The user-item graph
#
# $$\hat A = D^{-1/2} \begin{pmatrix} 0 & R \\ R^\top & 0 \end{pmatrix} D^{-1/2}, \qquad E^{(k+1)} = \hat A E^{(k)},
# \qquad Z = \frac{1}{L+1} \sum_{k=0}^{L} E^{(k)}$$
#
# LightGCN. Two users, three items: user 0 has items 0 and 1, user 1 has items 1 and 2.

# %%
train_pairs = Interactions(np.array([0, 0, 1, 1], np.int32), np.array([0, 1, 1, 2], np.int32))
graph = bipartite_graph(train_pairs, num_users=2, num_items=3)
for sender, receiver, weight in zip(graph.senders, graph.receivers, graph.edges, strict=True):
    print(f"node {sender} -> node {receiver}: {weight:.3f}")

# %% [markdown]
# After one layer a user has something of its items, after two of the other users with the same items. The identity as
# $E^{(0)}$ shows it: entry $(i, j)$ is what node $i$ has of node $j$.

# %%
adjacency = Adjacency.from_graph(graph)
fig, panels = plt.subplots(1, 3, figsize=(10, 3))
for layers, axes in enumerate(panels):
    show(lightgcn(adjacency, jnp.eye(5), num_layers=layers), f"L = {layers}", axes)
plt.show()

# %% [markdown]
# ## 2. Contrast: CMCL
#
# $$\mathrm{InfoNCE}(q, k) = \frac{1}{B} \sum_b \left[ \log \sum_j e^{c_{bj}/\tau} - c_{bb}/\tau \right], \qquad
# c_{bj} = \cos(q_b, k_j)$$
#
# CMCL is its mean over the pairs of views of an item: ID, text, image. Minimised, it makes the views of one item alike.
# The published program adds $1 - \mathrm{InfoNCE}$, which makes them opposite:

# %%
views = {
    name: jax.random.normal(jax.random.key(number), (64, 16)) for number, name in enumerate(("id", "text", "image"))
}


def mean_cosine(views):
    unit = {name: view / jnp.linalg.norm(view, axis=1, keepdims=True) for name, view in views.items()}
    return float(jnp.mean(jnp.sum(unit["text"] * unit["image"], axis=1)))


def descend(loss, views, steps=20 if SMOKE else 300):
    gradient = jax.jit(jax.grad(loss))
    cosines = [mean_cosine(views)]
    for _ in range(steps):
        views = jax.tree.map(lambda view, slope: view - 10.0 * slope, views, gradient(views))
        cosines.append(mean_cosine(views))
    return cosines


plt.plot(descend(cmcl_loss, views), label="CMCL minimised")
plt.plot(descend(lambda views: 1.0 - cmcl_loss(views), views), "--", label="1 - InfoNCE, as in the published program")
plt.xlabel("step of descent")
plt.ylabel("cosine of text and image of an item")
plt.legend()
plt.show()

# %% [markdown]
# A missing modality is a mask, never a row of zeros: a row enters a pair only if both views have it.

# %%
has_image = jnp.arange(64) % 2 == 0
everywhere = jnp.ones(64, bool)
print(cmcl_loss(views, where={"id": everywhere, "text": everywhere, "image": has_image}))

# %% [markdown]
# ## 3. The Sinkhorn plan between feature axes
#
# $$C_{jk} = 1 - \mathrm{corr}(x_j, y_k), \qquad T = \arg\min_{T1 = 1/d, T^\top 1 = 1/d} \langle T, C \rangle -
# \varepsilon H(T), \qquad P = d \, T$$
#
# An axis is a point with one coordinate an item. Here the text has the axes of the ID vectors in another order, with
# noise: the plan finds the order. Rows and columns of $P$ sum to 1.

# %%
order = np.array([2, 0, 3, 1, 5, 4])
identity = jax.random.normal(jax.random.key(3), (400, 6))
text = identity[:, order] + 0.5 * jax.random.normal(jax.random.key(4), (400, 6))
solved = feature_transport(text, identity)
fig, panels = plt.subplots(1, 2, figsize=(7, 3))
show(solved.cost_matrix, "cost C", panels[0])
show(solved.plan, "plan P", panels[1])
plt.show()
print("order found:", np.argmax(solved.plan, axis=1), " planted:", order)
print("row sums", np.round(jnp.sum(solved.plan, axis=1), 3), " error", float(solved.marginal_error))

# %% [markdown]
# What $\varepsilon$ does: a large one spreads the plan, a small one sharpens it, also on noise. The default,
# $2/\sqrt{\text{items}}$, is twice the size of a correlation that is there by chance.

# %%
fig, panels = plt.subplots(1, 3, figsize=(10, 3))
for epsilon, axes in zip((1.0, 0.1, 0.02), panels, strict=True):
    show(feature_transport(text, identity, epsilon=epsilon, num_iterations=500).plan, f"epsilon {epsilon}", axes)
plt.show()

# %% [markdown]
# The published program iterates outside the log domain, with $\varepsilon = .01$ and a cost a hundred times a squared
# difference. On vectors as large as its own start values everything underflows:

# %%
x, y = 0.1 * jax.random.normal(jax.random.key(5), (2, 2000, 16))
print("mass of its plan: ", float(jnp.sum(released_transport(x, y))))
print("in the log domain:", float(jnp.sum(feature_transport(x, y).plan)) / 16)

# %% [markdown]
# ## 4. Adaptive transport: the plan and a learned residual
#
# $$\hat Z^m = \tilde Z^m (P^m + D^m)$$
#
# $D$ starts at zero, so that the map starts as the plan. Each column of $P$ sums to 1: an axis of the result is a
# weighted mean of the axes of the text.

# %%
align = AdaptiveTransport(6, transport="plan", residual="zero", epsilon=None, num_iterations=100, rngs=nnx.Rngs(0))
aligned = align(text, identity, present=jnp.ones(400, bool))


def correlation_with_identity(vectors):
    standard = [standardize(side, jnp.ones(400, bool)) for side in (vectors, identity)]
    return float(jnp.mean(standard[0] * standard[1]))


print("correlation of equal axes, before:", round(correlation_with_identity(text), 3))
print("after transport:                  ", round(correlation_with_identity(aligned.values), 3))

# %% [markdown]
# ## 5. The Wasserstein term
#
# $$L_W = \sum_m \langle T^m, C^m \rangle$$
#
# Its gradient moves the vectors, the plan held fixed, which by the envelope theorem is the gradient of the regularised
# optimum. The theorems of the paper speak of another distance, between the two sets of item vectors.

# %%
rotation = jnp.linalg.qr(jax.random.normal(jax.random.key(6), (6, 6)))[0]
moving = text @ rotation
cost = jax.jit(jax.value_and_grad(lambda x: feature_transport(x, identity).cost))
costs, distances = [], []
for _ in range(5 if SMOKE else 60):
    value, slope = cost(moving)
    moving = moving - 100.0 * slope
    costs.append(float(value))
    distances.append(float(wasserstein_distance(moving[:200], identity[:200])))
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
left.plot(costs)
left.set(xlabel="step of descent", ylabel="transport cost between axes")
right.plot(distances)
right.set(xlabel="step of descent", ylabel="W1 between sets of items")
plt.tight_layout()
plt.show()

# %% [markdown]
# ## 6. Fusion
#
# $$Z = w_{id} Z^{id} + \sum_m w_m \frac{\mathrm{rms}(Z^{id})}{\mathrm{rms}(\hat Z^m)} \hat Z^m, \qquad
# w = \mathrm{softmax}(\ell)$$
#
# An item that lacks a modality gives its weight to the others.

# %%
fusion = WeightedFusion({"id": 0.8, "text": 0.2}, weights="learned")
present = {"text": jnp.arange(400) % 10 != 0}
fused = fusion({"id": identity, "text": match_scale(aligned.values, identity)}, present)
print("weights", dict(zip(fusion.names, np.round(fusion.shares(), 2), strict=True)))
print("an item without text keeps its ID vector:", bool(jnp.allclose(fused[0], identity[0])))

# %% [markdown]
# ## 7. Everything together
#
# A short training on generated data with planted factors: two modalities of the items, profiles of the users.

# %%
data = GeneratedData(Path("prepared/explained"), num_users=200 if SMOKE else 1000, num_items=100 if SMOKE else 400)
config = RecGoatConfig(dim=8 if SMOKE else 32, contrast_weight=0.02, id_share=0.6)
dataset = load_data(data).dataset
before = RecGoat(config, dataset, rngs=nnx.Rngs(0)).encode()
print({name: view.shape for name, view in before.views.items()})

# %%
experiment = Experiment(
    name="explained",
    data=data,
    model=config,
    optimizer=OptimizerConfig(learning_rate=5e-3),
    loop=LoopConfig(batch_size=1024, max_epochs=2 if SMOKE else 40, patience=8, tensorboard=False),
)
run = load_run(train(experiment, workdir=Path("runs/notebook/explained")).directory)
losses = [line for line in run.log if line["kind"] == "train"]
print("terms of the loss in the last epoch:", {key: value for key, value in losses[-1].items() if "/" in key})

# %%
steps = [line for line in run.log if any(key.startswith("transport/") for key in line)]
names = sorted({key for line in steps for key in line if key.startswith("transport/") and key.endswith("/cost")})
for name in names:
    plt.plot([line["epoch"] for line in steps], [line[name] for line in steps], label=name.split("/")[1])
plt.xlabel("epoch")
plt.ylabel("transport cost")
plt.legend()
plt.show()

# %%
figure, _ = draw_fusion_weights(run, Path("runs/notebook/figures/explained"))
plt.figure(figsize=(8, 4))
plt.imshow(plt.imread(figure))
plt.axis("off")
plt.show()

# %% [markdown]
# ## 8. A bound that does not bind
#
# Lemma 3.3 as printed: $E \lVert z^m - z \rVert \le \sqrt{2 \tau L + 2 \tau \ln B}$ for unit vectors. With all $z$
# equal and $z^m = -z$ the distance is 2. The bound is below it for small batches; from $\tau \ln B = 1$ on it holds,
# and is above $\sqrt 2$, the distance of random directions.

# %%
temperature, sizes = 0.2, (2, 8, 32, 128, 512, 2048)
bounds = []
for size in sizes:
    z = jnp.broadcast_to(jnp.array([1.0, 0.0]), (size, 2))
    loss = info_nce(-z, z, temperature=temperature)
    bounds.append(float(jnp.sqrt(2 * temperature * (loss + jnp.log(size)))))
plt.semilogx(sizes, bounds, marker="o", label="printed bound")
plt.axhline(2.0, color="black", label="distance")
plt.axhline(np.sqrt(2), color="grey", linestyle=":", label="random directions")
plt.xlabel("batch")
plt.legend()
plt.show()
