"""Golden figures of the metrics: tests/golden/metrics.json.

Usage: metrics.py PACKAGES, where PACKAGES is a folder with anomalib and what its AUPRO imports:

    pip install --no-deps --target PACKAGES anomalib==2.7.0 torchmetrics lightning-utilities \\
        lightning pytorch-lightning opencv-python-headless matplotlib contourpy cycler kiwisolver \\
        pyparsing fonttools python-dateutil six kornia kornia-rs jsonargparse omegaconf \\
        antlr4-python3-runtime docstring-parser typeshed-client importlib-resources pandas platformdirs

Image and pixel figures are scikit-learn's, AUPRO is anomalib's own class (f32 inside).
"""

import json
import sys
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

sys.path.append(sys.argv[1])
import torch  # noqa: E402
from anomalib.metrics.aupro import _AUPRO  # noqa: E402

OUT = Path(__file__).parent / "metrics.json"


def ranking(name, scores, labels):
    scores = np.asarray(scores, np.float32)
    precision, recall, _ = precision_recall_curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    return {
        "name": name,
        "scores": [float(score) for score in scores],
        "labels": [bool(label) for label in labels],
        "auroc": float(roc_auc_score(labels, scores)),
        "average_precision": float(average_precision_score(labels, scores)),
        "f1_max": float(f1.max()),
    }


def rankings():
    draw = np.random.default_rng(3)
    labels = draw.random(120) < 0.3
    shifted = draw.normal(0, 1, 120) + labels
    return [
        ranking("no ties", shifted, labels),
        ranking("many ties", np.round(shifted), labels),
        ranking("two values", shifted > 0.3, labels),
        ranking("all equal", np.zeros(120), labels),
        ranking("perfect", labels, labels),
        ranking("reversed", -labels.astype(float), labels),
        ranking("one positive", draw.random(40), np.arange(40) == 17),
        ranking("one negative", np.round(draw.random(40), 1), np.arange(40) != 8),
        ranking("tie at the top", [3, 3, 2, 1, 1, 0], [True, False, True, False, True, False]),
    ]


def pro(name, maps, masks):
    maps, masks = np.asarray(maps, np.float32), np.asarray(masks, bool)
    case = {
        "name": name,
        "shape": list(maps.shape),
        "maps": [float(value) for value in maps.flatten()],
        "masks": "".join("01"[int(value)] for value in masks.flatten()),
    }
    for limit in [0.05, 0.3, 1.0]:
        metric = _AUPRO(fpr_limit=limit)
        metric.update(torch.from_numpy(maps), torch.from_numpy(masks).int())
        case[f"aupro_{limit}"] = float(metric.compute())
    return case


def pros():
    draw = np.random.default_rng(4)
    shape = (3, 12, 10)
    masks = np.zeros(shape, bool)
    masks[0, 2:6, 1:4] = True
    masks[0, 9, 8] = True
    # Two squares that touch at a corner: one region, as neighbours are eight.
    masks[1, 2:4, 2:4] = True
    masks[1, 4:6, 4:6] = True
    maps = draw.random(shape) + 0.5 * masks
    scattered = draw.random(shape) < 0.15
    return [
        pro("no ties", maps, masks),
        pro("ties", np.round(maps * 6), masks),
        pro("two values", maps > 0.8, masks),
        pro("all equal", np.ones(shape), masks),
        pro("perfect", masks, masks),
        pro("reversed", ~masks, masks),
        pro("scattered regions", np.round(draw.random(shape), 1), scattered),
        pro("one defect-free pixel", draw.random((1, 4, 5)), np.arange(20).reshape(1, 4, 5) != 7),
    ]


OUT.write_text(json.dumps({"ranking": rankings(), "pro": pros()}, indent=None, separators=(",", ":")) + "\n")
