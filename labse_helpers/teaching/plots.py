"""그림: 유사도 행렬, 점수 분포, 임베딩 지도, 손실 곡선. 한글 글꼴과 색은 여기서 한 번만 정합니다."""

import importlib.util
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib import font_manager
from matplotlib.axes import Axes
from seaborn.utils import relative_luminance

from ..checks import check_same_length
from ..errors import InputError

FONT = "NanumGothic"
CMAP = "cividis"  # 색각 이상이 있어도, 흑백으로 찍어도 밝기 순서가 남습니다
PALETTE = "colorblind"
READABLE = (
    0.179  # 상대 휘도가 이보다 낮은 바탕에는 흰 글자, 높으면 검은 글자가 잘 보입니다(WCAG 2.1의 대비식)
)
MAX_ANNOTATED = 12  # 이보다 큰 행렬에는 칸마다 숫자를 적지 않습니다


@cache
def use_korean_font() -> None:
    """matplotlib에 한글 글꼴(NanumGothic)과 뒷자리에서도 읽히는 글자 크기를 정합니다. 한 번만 실행됩니다."""
    spec = importlib.util.find_spec("koreanize_matplotlib")  # 글꼴 파일만 씁니다. import는 하지 않습니다
    if spec is None:
        raise InputError("한글 글꼴이 없습니다. `pip install koreanize-matplotlib`로 설치해 주십시오.")
    for path in sorted((Path(spec.origin).parent / "fonts").glob("*.ttf")):
        font_manager.fontManager.addfont(path)
    sns.set_theme(style="whitegrid", context="talk", palette=PALETTE, font=FONT)
    fallback = "DejaVu Sans"  # 한글 글꼴에 없는 −, ↔ 같은 기호
    plt.rcParams.update({"font.family": [FONT, fallback], "figure.dpi": 80, "axes.titlepad": 12})


def plot_similarity_matrix(
    scores: np.ndarray,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    title: str = "코사인 유사도",
    value_range: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """점수 행렬을 히트맵으로 그립니다. 12×12 이하면 칸마다 값을 적습니다.

    Args:
        scores: 점수 (N, M). numpy 배열이나 텐서.
        row_labels: 행의 이름 N개. 없으면 번호.
        column_labels: 열의 이름 M개. 없으면 번호.
        title: 제목.
        value_range: 색의 (최솟값, 최댓값). 여러 그림을 견줄 때 같게 맞춥니다.
        ax: 그릴 자리. None이면 행렬의 크기에 맞는 새 그림.

    Raises:
        InputError: 2차원이 아니거나, NaN이 있거나, 이름의 개수가 다를 때.
    """
    use_korean_font()
    matrix = _array(scores, ndim=2)
    n_rows, n_columns = matrix.shape
    for labels, size, side in (
        (row_labels, n_rows, "row_labels"),
        (column_labels, n_columns, "column_labels"),
    ):
        if labels is not None:
            check_same_length(labels, range(size), (side, "scores의 칸"))
    annotate = max(matrix.shape) <= MAX_ANNOTATED
    if ax is None:
        cell = 0.85 if annotate else min(0.35, 8 / max(matrix.shape))
        _, ax = plt.subplots(figsize=(max(5.5, 3.5 + cell * n_columns), max(4, 1.8 + cell * n_rows)))
    low, high = value_range or (None, None)
    sns.heatmap(
        matrix,
        ax=ax,
        cmap=CMAP,
        vmin=low,
        vmax=high,
        annot=annotate,
        fmt=".2f",
        annot_kws={"size": 13 if max(matrix.shape) <= 8 else 10},
        square=True,
        linewidths=0.5 if annotate else 0,
        xticklabels=max(1, n_columns // 8) if column_labels is None else list(column_labels),
        yticklabels=max(1, n_rows // 8) if row_labels is None else list(row_labels),
    )
    for text, color in zip(ax.texts, ax.collections[0].get_facecolors(), strict=False):
        text.set_color("white" if relative_luminance(color) < READABLE else "black")
    ax.tick_params(axis="x", rotation=90 if column_labels is not None else 0)
    ax.tick_params(axis="y", rotation=0)
    ax.set_title(title)
    return ax


def plot_score_distributions(
    scores: dict[str, np.ndarray],
    threshold: float | None = None,
    title: str = "점수의 분포",
    xlabel: str = "코사인 유사도",
    ax: Axes | None = None,
) -> Axes:
    """여러 무리의 점수 분포를 한 축에 겹쳐 그립니다. 무리마다 넓이를 1로 맞춥니다.

    Args:
        scores: 무리의 이름에서 점수 배열(임의 모양, 펼쳐서 셉니다)로.
        threshold: 세로선을 그을 기준값.

    Raises:
        InputError: 무리가 없거나, 빈 배열이거나, NaN이 있을 때.
    """
    use_korean_font()
    if not scores:
        raise InputError("scores가 비어 있습니다. {이름: 점수 배열}을 하나 이상 넣어 주십시오.")
    ax = ax or plt.subplots(figsize=(9, 4.5))[1]
    values = {name: _array(group).ravel() for name, group in scores.items()}
    bins = np.linspace(
        min(v.min() for v in values.values()), max(v.max() for v in values.values()) + 1e-9, 41
    )
    for (name, group), color, hatch in zip(
        values.items(),
        sns.color_palette(PALETTE, len(values)),
        ["", "//", "..", "\\\\", "xx"] * 2,
        strict=False,
    ):
        ax.hist(
            group, bins=bins, density=True, alpha=0.55, color=color, hatch=hatch, edgecolor="white",
            label=f"{name} ({len(group):,}개)",
        )  # fmt: skip
    if threshold is not None:
        ax.axvline(threshold, color="black", linestyle="--", label=f"기준 {threshold:.2f}")
    ax.set(xlabel=xlabel, ylabel="밀도", title=title)
    ax.legend(fontsize=13)
    return ax


def plot_embedding_map(
    embeddings: np.ndarray,
    groups: Sequence[str],
    styles: Sequence[str] | None = None,
    pairs: Sequence[tuple[int, int]] = (),
    title: str = "임베딩 지도 (주성분 2개)",
    ax: Axes | None = None,
) -> Axes:
    """임베딩을 주성분 분석(PCA)으로 2차원에 눌러 그립니다.

    Args:
        embeddings: (N, dim), N은 2 이상.
        groups: 색을 정하는 이름 N개(주제, 언어 …).
        styles: 표식의 모양을 정하는 이름 N개. 없으면 ``groups``와 같습니다.
        pairs: 선으로 이을 점의 번호 쌍(번역끼리 잇기 …).

    Raises:
        InputError: 2차원이 아니거나, 점이 둘보다 적거나, 이름의 개수가 다르거나, NaN이 있을 때.
    """
    from sklearn.decomposition import PCA

    use_korean_font()
    points = _array(embeddings, ndim=2)
    check_same_length(groups, points, ("groups", "embeddings"))
    if len(points) < 2:
        raise InputError("지도를 그리려면 문장이 둘 이상 있어야 합니다.")
    flat = PCA(n_components=2, svd_solver="full").fit_transform(points)  # (N, 2)
    ax = ax or plt.subplots(figsize=(9, 6.5))[1]
    for first, second in pairs:
        ax.plot(*flat[[first, second]].T, color="0.7", linewidth=1, zorder=1)
    sns.scatterplot(
        x=flat[:, 0], y=flat[:, 1], hue=list(groups), style=list(styles if styles is not None else groups),
        palette=sns.color_palette(PALETTE if len(set(groups)) <= 10 else "husl", len(set(groups))),
        s=110, ax=ax, zorder=2,
    )  # fmt: skip
    ax.set(xlabel="첫째 주성분", ylabel="둘째 주성분", title=title)
    ax.legend(bbox_to_anchor=(1.02, 1), loc="upper left", fontsize=12)
    return ax


def plot_loss_curve(
    losses: dict[str, Sequence[float]] | Sequence[float],
    xlabel: str = "학습 단계",
    ylabel: str = "손실",
    title: str = "손실 곡선",
    ax: Axes | None = None,
) -> Axes:
    """학습 단계마다의 손실을 선으로 그립니다.

    Args:
        losses: 손실의 목록 하나, 또는 이름에서 목록으로의 사전(견줄 때).

    Raises:
        InputError: 비었거나 NaN이 있을 때. 학습이 발산했다는 뜻입니다.
    """
    use_korean_font()
    curves = losses if isinstance(losses, dict) else {"": losses}
    ax = ax or plt.subplots(figsize=(9, 4.5))[1]
    for (name, values), style in zip(curves.items(), ["-", "--", "-.", ":"] * 3, strict=False):
        curve = _array(values, ndim=1)
        ax.plot(range(1, len(curve) + 1), curve, style, linewidth=2.5, label=name)
    if isinstance(losses, dict):
        ax.legend()
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    return ax


def _array(values, ndim: int | None = None) -> np.ndarray:
    if hasattr(values, "detach"):  # torch 텐서
        values = values.detach().cpu().float()
    array = np.asarray(values, dtype=float)
    if array.size == 0 or (ndim is not None and array.ndim != ndim):
        raise InputError(
            f"그릴 값의 모양이 {array.shape}입니다. 비어 있지 않은 {ndim or 1}차원 배열을 넣어 주십시오."
        )
    if not np.isfinite(array).all():
        where = np.argwhere(~np.isfinite(array))[0].tolist()
        raise InputError(f"그릴 값에 NaN이나 무한대가 있습니다. 첫 자리는 {where}입니다.")
    return array
