"""이 기계에 설치된 패키지의 설명글(docstring, 주석, 문서)에서 서로 다른 실제 문장을 모아 인코딩해 둡니다."""

import io
import re
import sysconfig
import tokenize
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from labse_helpers import encode_file, load_model

from .sentences import MAX_WORDS, MIN_WORDS

ROOTS = ("stdlib", "purelib")  # 표준 라이브러리와 site-packages
SENTENCE_END = re.compile(r"(?<=[.!?:;])\s+|\n\s*\n|\n\s*[-*>.]+\s|\n\s*>>>.*")
LETTERS = re.compile(r"[^\W\d_]{2,}")
KEPT = Path(__file__).parents[1] / "build" / "benchmarks"


def mined_vectors(n: int) -> np.ndarray:
    """모은 문장 n개의 mUSE 벡터 (n, 512). 처음에는 문장 모으기와 인코딩에 100만 개 기준 15분쯤 걸립니다.

    ``build/benchmarks``에 남기므로 다시 부르면 파일만 엽니다. 지우면 처음부터 다시 합니다.
    """
    lines = KEPT / f"mined-{n}.txt"
    if not lines.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        lines.write_text("\n".join(mined_sentences(n)) + "\n", encoding="utf-8")
    return encode_file(lines, KEPT / f"mined-{n}", load_model("muse"))


def mined_sentences(n: int) -> list[str]:
    """서로 다른 문장 n개. 모자라면 서로 다른 문장 둘을 이어 붙여 채웁니다(그 수를 출력합니다)."""
    found: dict[str, None] = {}
    files = sorted(
        path
        for root in ROOTS
        for suffix in ("*.py", "*.pyi", "*.md", "*.rst", "*.txt", "*.h", "*.hpp")
        for path in Path(sysconfig.get_path(root)).rglob(suffix)
    )
    for path in tqdm(files, desc="문장 모으기", unit="파일"):
        for text in _texts(path):
            for sentence in SENTENCE_END.split(text):
                words = sentence.split()
                if MIN_WORDS <= len(words) <= MAX_WORDS and len(LETTERS.findall(sentence)) >= MIN_WORDS:
                    found[" ".join(words)] = None
        if len(found) >= n:
            break
    sentences = list(found)[:n]
    missing = n - len(sentences)
    if missing > 0:
        print(f"서로 다른 문장 {len(sentences):,}개를 찾았고, 둘씩 이어 {missing:,}개를 더했습니다.")
        step = 1
        while len(sentences) < n:
            originals = list(found)
            pairs = zip(originals, originals[step:], strict=False)
            sentences += [f"{a} {b}" for a, b in pairs][: n - len(sentences)]
            step += 1
    return sentences


def _texts(path: Path) -> Iterator[str]:
    """파일 하나의 설명글: 파이썬이면 문자열과 주석, C면 주석, 아니면 전부."""
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return
    if path.suffix in (".py", ".pyi"):
        comments: list[str] = []
        try:
            for token in tokenize.generate_tokens(io.StringIO(source).readline):
                if token.type == tokenize.COMMENT:
                    comments.append(token.string.lstrip("#:! "))
                elif token.type == tokenize.STRING and len(token.string) > 20:
                    yield token.string.strip("\"'rbuRBU")
                if token.type not in (tokenize.COMMENT, tokenize.NL) and comments:
                    yield "\n".join(comments)
                    comments = []
        except (tokenize.TokenError, SyntaxError):
            return
    elif path.suffix in (".h", ".hpp"):
        for comment in re.findall(r"//+ ?(.*)|/\*(.*?)\*/", source):
            yield from comment
    else:
        yield source
