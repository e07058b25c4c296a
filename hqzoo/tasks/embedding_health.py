"""Whether embeddings say anything: spread, rank, two sensors' alignment, retrieval across them, neighbours' labels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["health", "neighbour_accuracy", "rank_me", "recall_at_1"]

Vectors = npt.NDArray[np.float64]


def health(own: Vectors, aligned: tuple[Vectors, Vectors] | None = None) -> dict[str, float]:
    r"""Return the state of embeddings, by name.

    Args:
        own: Embeddings ``(N, D)``, N at least 2.
        aligned: Embeddings of the same images by two sensors, the main one first, that are trained to agree; None:
            there are none.

    Returns:
        * ``embedding_sd``: mean standard deviation of a channel over images; 0 after a collapse.
        * ``rank_me``: see :func:`rank_me`; 1 after a collapse.
        * ``cosine``: mean cosine of two images' embeddings; 1 after a collapse.
        * ``uniformity``: log of the mean of :math:`e^{-2 d^2}` over pairs of images (Wang and Isola 2020), -8 to 0.

        With two sensors also ``alignment``, the mean :math:`d^2` of an image's two embeddings (ibid.);
        ``modality_gap``, the distance of both sensors' means (Liang et al. 2022); all of unit vectors; and
        ``recall_at_1`` of :func:`recall_at_1` from the other sensor to the main one.
    """
    units = _unit(own)
    cosines = _off_diagonal(units @ units.T)
    found = {
        "embedding_sd": float(own.std(0).mean()),
        "rank_me": rank_me(own),
        "cosine": float(cosines.mean()),
        "uniformity": float(np.log(np.exp(-2 * (2 - 2 * cosines)).mean())),
    }
    if aligned is not None:
        main, other = map(_unit, aligned)
        found["alignment"] = float(((main - other) ** 2).sum(1).mean())
        found["modality_gap"] = float(np.linalg.norm(main.mean(0) - other.mean(0)))
        found["recall_at_1"] = recall_at_1(aligned[1], aligned[0])
    return found


def rank_me(vectors: Vectors) -> float:
    r"""Return the effective rank :math:`\exp(-\sum_k p_k \log p_k)` (RankMe, Garrido et al. 2023).

    :math:`p_k` are singular values as shares of their sum; centred vectors are not asked for.
    """
    singular = np.linalg.svd(vectors, compute_uv=False)
    shares = singular / max(singular.sum(), 1e-12) + 1e-7
    return float(np.exp(-(shares * np.log(shares)).sum()))


def recall_at_1(queries: Vectors, keys: Vectors) -> float:
    """Return how often the key nearest to a query, by cosine of centred vectors, is its own; chance is 1 / N.

    Centring takes the distance of the two sensors' means away, which all queries share.
    """
    return float((ranks(queries, keys) == 1).mean())


def ranks(queries: Vectors, keys: Vectors) -> npt.NDArray[np.int64]:
    """Return the place of each query's own key among all keys, from 1; equals count against it, ``(N,)``."""
    cosines = _unit(queries - queries.mean(0)) @ _unit(keys - keys.mean(0)).T
    places: npt.NDArray[np.int64] = (cosines >= np.diag(cosines)[:, None]).sum(1)
    return places


def neighbour_accuracy(vectors: Vectors, labels: npt.NDArray[np.generic], neighbours: int = 5) -> float:
    """Return how well the nearest other images tell an image's labels, by cosine; each is left out in turn.

    Args:
        vectors: ``(N, D)``.
        labels: Class indices ``(N,)``: the share of images whose class is that of most neighbours; or several labels
            ``(N, K)``, 0 or 1: micro F1 of the labels that more than half of the neighbours have.
        neighbours: Neighbours k. CHOICE 5.
    """
    units = _unit(vectors)
    cosines = units @ units.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, : min(neighbours, len(vectors) - 1)]
    several = labels if labels.ndim == 2 else np.eye(int(labels.max()) + 1)[labels.astype(np.int64)]
    votes = several[nearest].mean(1)
    if labels.ndim == 1:
        return float((votes.argmax(1) == labels).mean())
    predicted, true = votes > 0.5, several.astype(bool)
    return float(2 * (predicted & true).sum() / max(1, predicted.sum() + true.sum()))


def _unit(vectors: Vectors) -> Vectors:
    unit: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit


def _off_diagonal(square: Vectors) -> Vectors:
    values: Vectors = square[~np.eye(len(square), dtype=bool)]
    return values
