"""mUSE 그래프를 float64로 한 문장, 한 토큰씩 그대로 적은 것. 빠르지 않고, 포트와 코드를 나누지 않습니다."""

from pathlib import Path

import numpy as np


class MuseReference:
    def __init__(self, weights_path: Path) -> None:
        with np.load(weights_path, allow_pickle=False) as weights:
            self.w = {name: weights[name] for name in weights.files}
        for name, value in self.w.items():
            if value.dtype == np.float32:
                self.w[name] = value.astype(np.float64)

    def encode(self, ids: list[int]) -> np.ndarray:
        """토큰 id의 목록 하나를 길이 1인 벡터 (512,)로 바꿉니다."""
        w = self.w
        embedded = [
            w[f"q{i % 17 + 1}"][i // 17].astype(np.float64) * w["scale"][i % 17] + w["lo"][i % 17]
            for i in ids
        ]
        branches = [self._branch(embedded, order, left) for order, left in ((2, 0), (3, 1), (5, 2))]
        total = np.zeros(512)
        for t in range(len(ids)):
            features = np.concatenate([embedded[t], *(branch[t] for branch in branches)])
            total += layer_norm(features, w["ln_g"], w["ln_b"]) @ w["cnn_W"] + w["cnn_b"]
        x = total / np.sqrt(len(ids))
        y = relu(relu(x @ w["d0"]) @ w["d1"] + x @ w["p1"])
        z = np.tanh(relu(y @ w["d2"]) @ w["d3"] + y @ w["p3"])
        return z / np.linalg.norm(z)

    def _branch(self, embedded: list[np.ndarray], order: int, left: int) -> list[np.ndarray]:
        w = self.w
        x = [
            layer_norm(e @ w[f"proj{order}"] + w[f"proj_b{order}"], w[f"ln_g{order}"], w[f"ln_b{order}"])
            for e in embedded
        ]
        for layer in ("1", "2"):
            x = [
                x[t] + relu(self._window(x, t, order, left) @ w[f"w{layer}_{order}"] + w[f"b{layer}_{order}"])
                for t in range(len(x))
            ]
        return x

    @staticmethod
    def _window(x: list[np.ndarray], t: int, order: int, left: int) -> np.ndarray:
        positions = range(t - left, t - left + order)
        return np.concatenate([x[p] if 0 <= p < len(x) else np.zeros(256) for p in positions])


def layer_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return (x - x.mean()) / np.sqrt(x.var() + 1e-12) * weight + bias


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)
