"""파일을 다루는 코드만 테스트할 때 쓰는 아주 빠른 인코더: 문장의 해시로 벡터를 만듭니다."""

import hashlib
import time

import numpy as np

from labse_helpers.checks import check_sentences


class FakeEncoder:
    """``encode``의 약속(검사, (N, dim) float32)만 지키는 결정적인 인코더. torch를 쓰지 않아 fork해도 안전합니다."""

    card = None
    product_dtype = None

    def __init__(self, dim: int = 8, salt: str = "", delay: float = 0.0) -> None:
        self.dim, self.salt, self.delay = dim, salt, delay

    def get_embedding_dimension(self) -> int:
        return self.dim

    def encode(self, inputs, **kwargs) -> np.ndarray:
        if isinstance(inputs, str):
            return self.encode([inputs])[0]
        time.sleep(self.delay)
        rows = [hashlib.sha256((self.salt + text).encode()).digest() for text in check_sentences(inputs)]
        numbers = np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(len(rows), 32)[:, : self.dim]
        vectors = numbers.astype(np.float32) - 127.5
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
