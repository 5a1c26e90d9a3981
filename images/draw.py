"""강의의 그림을 그립니다: ``python images/draw.py [폴더]``. 같은 코드는 언제나 같은 바이트를 냅니다."""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from labse_helpers import use_korean_font

BLUE, ORANGE, GREEN, GRAY, INK = (
    "#0A66A0",
    "#A85A00",
    "#017A59",
    "#6B6B6B",
    "#222222",
)  # 흰 바탕에서 4.5:1 이상
PALE = {BLUE: "#DCEBF5", ORANGE: "#FBEFD9", GREEN: "#DBF2EA", GRAY: "#EFEFEF"}


def canvas(width: float, height: float) -> Axes:
    """1 단위가 1인치인 빈 판을 만듭니다."""
    figure = plt.figure(figsize=(width, height))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(0, height))
    ax.axis("off")
    return ax


def box(
    ax: Axes, x: float, y: float, w: float, h: float, text: str, color: str = GRAY, size: int = 13
) -> None:
    """왼쪽 아래가 (x, y)인 둥근 상자."""
    style = "round,pad=0,rounding_size=0.12"
    ax.add_patch(
        FancyBboxPatch((x, y), w, h, boxstyle=style, facecolor=PALE[color], edgecolor=color, linewidth=2)
    )
    ax.text(x + w / 2, y + h / 2, text, ha="center", va="center", fontsize=size, color=INK, linespacing=1.5)


def arrow(
    ax: Axes, start: tuple, end: tuple, color: str = INK, style: str = "-|>", dashed: bool = False
) -> None:
    ax.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle=style, mutation_scale=16, linewidth=1.8, color=color,
            linestyle="--" if dashed else "-", shrinkA=0, shrinkB=0,
        )
    )  # fmt: skip


def label(ax: Axes, x: float, y: float, text: str, size: int = 13, color: str = INK, **kwargs) -> None:
    ax.text(x, y, text, **{"ha": "center", "va": "center", "fontsize": size, "color": color, **kwargs})


def course_map() -> None:
    """일곱 장의 지도."""
    ax = canvas(15.3, 2.9)
    chapters = [
        ("01 구조", "문장이 벡터가\n되는 길", BLUE),
        ("02 학습", "배치의 다른 쌍을\n오답으로", BLUE),
        ("03 임베딩", "encode 한 줄과\n그 인자들", GREEN),
        ("04 유사도", "코사인, 임곗값과\n어려운 문항", GREEN),
        ("05 검색", "문장 집합에서\n번역 찾기", ORANGE),
        ("06 마이닝", "두 집합에서\n번역쌍 찾기", ORANGE),
        ("07 미세 조정", "우리 문장으로\n더 학습하기", GRAY),
    ]
    for i, (title, text, color) in enumerate(chapters):
        x = 0.25 + i * 2.14
        box(ax, x, 0.5, 1.85, 1.5, text, color, 14)
        label(ax, x + 0.925, 2.35, title, 16, color, fontweight="bold")
        if i:
            arrow(ax, (x - 0.27, 1.25), (x - 0.04, 1.25))


def dual_encoder() -> None:
    """듀얼 인코더: 한국어와 영어가 같은 인코더를 지나 한 공간에서 만난다."""
    ax = canvas(10, 5.2)
    for x, sentence, color in (
        (0.4, "봄비가 창문을 두드린다.", BLUE),
        (6.1, "Spring rain taps on the window.", ORANGE),
    ):
        box(ax, x, 0.4, 3.5, 0.7, sentence, color)
        arrow(ax, (x + 1.75, 1.1), (x + 1.75, 1.6))
        box(ax, x, 1.6, 3.5, 1.0, "인코더", GRAY, 16)
        arrow(ax, (x + 1.75, 2.6), (x + 1.75, 3.1))
        box(ax, x, 3.1, 3.5, 0.7, "문장 벡터 (dim,)", color)
    arrow(ax, (3.9, 2.1), (6.1, 2.1), GRAY, "<|-|>", dashed=True)
    label(ax, 5, 2.4, "같은 가중치", 13)
    arrow(ax, (2.15, 3.8), (4.1, 4.5))
    arrow(ax, (7.85, 3.8), (5.9, 4.5))
    box(ax, 4.1, 4.2, 1.8, 0.7, "코사인 유사도", GREEN)


def cross_vs_dual() -> None:
    """크로스 인코더는 쌍마다, 듀얼 인코더는 문장마다 한 번 계산한다."""
    ax = canvas(11, 4.8)
    label(ax, 2.6, 4.45, "크로스 인코더(cross-encoder)", 16, ORANGE, fontweight="bold")
    box(ax, 0.5, 0.5, 4.2, 0.7, "[CLS] 한국어 [SEP] 영어 [SEP]", ORANGE)
    arrow(ax, (2.6, 1.2), (2.6, 1.7))
    box(ax, 0.5, 1.7, 4.2, 0.9, "인코더가 두 문장을 함께 읽음", GRAY)
    arrow(ax, (2.6, 2.6), (2.6, 3.1))
    box(ax, 1.6, 3.1, 2.0, 0.7, "점수 하나", ORANGE)
    label(ax, 2.6, 0.2, r"N문장 × N문장 $\rightarrow$ 인코더 $N^2$번", 14)
    ax.plot([5.5, 5.5], [0.2, 4.6], color=GRAY, linewidth=1)
    label(ax, 8.3, 4.45, "듀얼 인코더(dual encoder)", 16, BLUE, fontweight="bold")
    for x, text in ((6.0, "한국어"), (8.5, "영어")):
        box(ax, x, 0.5, 2.1, 0.7, text, BLUE)
        arrow(ax, (x + 1.05, 1.2), (x + 1.05, 1.7))
        box(ax, x, 1.7, 2.1, 0.9, "인코더", GRAY)
        arrow(ax, (x + 1.05, 2.6), (8.3 + (x - 7.25) * 0.35, 3.1))
    box(ax, 6.9, 3.1, 2.8, 0.7, "벡터끼리 내적", BLUE)
    label(ax, 8.3, 0.2, r"N문장 + N문장 $\rightarrow$ 인코더 $2N$번, 내적 $N^2$번", 14)


def labse_stack() -> None:
    """LaBSE의 층: 아래의 토큰에서 위의 768차원 벡터까지."""
    ax = canvas(9.6, 6.6)
    tokens = ["[CLS]", "토큰 1", "토큰 2", "토큰 3", "토큰 4", "[SEP]"]
    left, wide = 0.4, 5.9
    for i, token in enumerate(tokens):
        x = left + i
        box(ax, x, 0.3, 0.9, 0.55, token, BLUE if i == 0 else GRAY, 12)
        arrow(ax, (x + 0.45, 0.85), (x + 0.45, 1.2))
        arrow(ax, (x + 0.45, 3.9), (x + 0.45, 4.25), BLUE if i == 0 else GRAY)
        box(ax, x, 4.25, 0.9, 0.5, "[CLS]" if i == 0 else "…", BLUE if i == 0 else GRAY, 12)
    box(ax, left, 1.2, wide, 1.0, "토큰 임베딩 501,153 × 768\n+ 위치 512 × 768 + 세그먼트 2 × 768", GRAY)
    arrow(ax, (left + wide / 2, 2.2), (left + wide / 2, 2.55))
    box(ax, left, 2.55, wide, 1.35, "트랜스포머 12층\n헤드 12개 · 은닉 차원 768 · FFN 차원 3072", GRAY, 14)
    arrow(ax, (left + 0.45, 4.75), (left + 0.45, 5.45), BLUE)
    for x, w, text, color in (
        (left, 3.0, r"Dense 768 $\rightarrow$ 768, tanh", ORANGE),
        (left + 3.45, 2.45, "L2 정규화: 길이 1", GREEN),
        (left + 6.35, 2.45, "문장 벡터 (768,)", BLUE),
    ):
        box(ax, x, 5.45, w, 0.7, text, color)
        if x > left:
            arrow(ax, (x - 0.45, 5.8), (x, 5.8))
    for y, text in (
        (0.57, "WordPiece 토큰"),
        (1.7, "매개변수의 82 %가\n토큰 임베딩"),
        (3.22, "매개변수의 18 %"),
        (4.5, "[CLS] 위치의 벡터만 씀"),
    ):
        label(ax, left + wide + 0.25, y, text, 13, ha="left", linespacing=1.5)
    label(ax, left + 1.5, 6.38, "허브의 구현에만 있는 층", 12, ORANGE)
    label(ax, left + 4.67, 6.38, "내적 = 코사인 유사도", 12, GREEN)


def in_batch_matrix() -> None:
    """배치 안의 N×N 점수: 대각선이 정답 쌍, 나머지는 오답 쌍."""
    ax = canvas(8.6, 5.6)
    n, size, left, bottom = 5, 0.78, 2.3, 0.55
    for row in range(n):
        y = bottom + (n - 1 - row) * size
        label(ax, left - 0.15, y + size / 2, f"한국어 {row + 1}", 13, BLUE, ha="right")
        label(ax, left + (row + 0.5) * size, bottom + n * size + 0.22, f"영어 {row + 1}", 12, ORANGE)
        for column in range(n):
            positive = row == column
            color = GREEN if positive else GRAY
            ax.add_patch(
                plt.Rectangle(
                    (left + column * size, y), size, size,
                    facecolor=color if positive else PALE[GRAY], edgecolor="white", linewidth=2,
                )
            )  # fmt: skip
            label(ax, left + (column + 0.5) * size, y + size / 2, "정답" if positive else "오답", 13,
                  "white" if positive else GRAY)  # fmt: skip
    right = left + n * size
    arrow(ax, (left, bottom - 0.2), (right, bottom - 0.2), BLUE)
    label(ax, right + 0.12, bottom - 0.2, "행마다 소프트맥스", 12, BLUE, ha="left")
    arrow(ax, (right + 0.2, bottom + n * size), (right + 0.2, bottom), ORANGE)
    label(ax, right + 0.35, bottom + n * size / 2, "열마다\n소프트맥스", 12, ORANGE, ha="left")
    label(ax, 4.3, 5.25, "번역쌍 N개에서 오답 쌍 N(N − 1)개가 생깁니다", 15, fontweight="bold")


def additive_margin() -> None:
    """가산 마진: 정답에서 마진을 뺀 값이 오답보다 높아야 한다."""
    ax = canvas(10, 3.6)
    y, x0, scale = 1.5, 1.0, 8.0
    ax.plot([x0, x0 + scale], [y, y], color=INK, linewidth=2)
    for value in np.linspace(0, 1, 6):
        ax.plot([x0 + scale * value] * 2, [y - 0.08, y + 0.08], color=INK, linewidth=1.5)
        label(ax, x0 + scale * value, y - 0.3, f"{value:.1f}", 12)
    label(ax, x0 + scale / 2, y - 0.75, "코사인 유사도", 13)

    def mark(value: float, text: str, color: str, height: float) -> None:
        ax.plot([x0 + scale * value], [y], "o", color=color, markersize=13)
        ax.plot([x0 + scale * value] * 2, [y, y + height], color=color, linewidth=1.5)
        label(ax, x0 + scale * value, y + height + 0.2, text, 13, color)

    mark(0.55, "   오답 0.55", GRAY, 0.6)
    mark(0.75, "정답 0.75", GREEN, 1.0)
    mark(0.45, "마진을 뺀 정답 0.45   ", ORANGE, 1.0)
    arrow(ax, (x0 + scale * 0.74, y + 0.25), (x0 + scale * 0.46, y + 0.25), ORANGE)
    label(ax, x0 + scale * 0.66, y + 0.42, "− 0.3", 13, ORANGE)
    label(ax, 5, 3.3, "정답은 0.75로 오답 0.55보다 높지만, 마진을 뺀 0.45는 낮으므로 손실이 남습니다.", 14)


def cross_accelerator() -> None:
    """가속기 사이의 네거티브: 벡터를 모아 배치 전체의 문장을 오답으로 쓴다."""
    ax = canvas(10.5, 5.4)
    for i in range(4):
        x = 0.4 + i * 2.5
        box(ax, x, 0.3, 2.1, 0.7, f"가속기 {i + 1}\n배치의 일부", GRAY, 12)
        arrow(ax, (x + 1.05, 1.0), (x + 1.05, 1.4))
        box(ax, x, 1.4, 2.1, 0.65, "맡은 문장만 인코딩", BLUE, 12)
        arrow(ax, (x + 1.05, 2.05), (x + 1.05, 2.55), BLUE)
        arrow(ax, (x + 1.05, 3.25), (x + 1.05, 3.75), ORANGE)
        box(ax, x, 3.75, 2.1, 0.75, "자기 행 ×\n배치 전체의 열로 손실", ORANGE, 12)
    box(
        ax,
        0.4,
        2.55,
        9.6,
        0.7,
        "all-gather: 벡터만 주고받아, 모두가 배치 전체의 벡터를 가집니다",
        GREEN,
    )
    label(ax, 5.2, 4.95, "인코딩의 메모리는 맡은 문장만큼, 오답은 배치 전체만큼", 15, fontweight="bold")


FIGURES = (
    course_map,
    dual_encoder,
    cross_vs_dual,
    labse_stack,
    in_batch_matrix,
    additive_margin,
    cross_accelerator,
)


def main(folder: Path) -> None:
    use_korean_font()
    # 글자는 윤곽선으로 넣어 어느 기계에서나 한글이 보이고, 날짜와 난수를 빼서 바이트가 같습니다.
    plt.rcParams.update({"svg.fonttype": "path", "svg.hashsalt": "labse-course", "axes.grid": False})
    for figure in FIGURES:
        figure()
        plt.savefig(folder / f"{figure.__name__}.svg", metadata={"Date": None, "Creator": None})
        plt.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent)
