"""그림: 유사도 행렬, 점수 분포, 임베딩 지도, 손실 곡선. 색은 여기서, 글꼴은 ``fonts.py``에서 한 번만 정합니다.

제목, 축의 이름, 이름표, 범례에 넣은 글은 모두 글자 그대로 그려집니다. ``$5 to $9``도 수식이 되지 않습니다. 수식을 쓰려면 돌려받은
축에 ``ax.set_title("$x^2$", parse_math=True)``라고 적으십시오.
"""

from collections.abc import Mapping, Sequence, Sized
from typing import Any, cast

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from seaborn.utils import relative_luminance

from ..checks import check_same_length
from ..errors import InputError
from .fonts import (
    NUMBERS,
    PALETTE,
    announce_missing,
    as_plain,
    drawable,
    ensure_korean_font,
    shorten,
    use_korean_font,
)

__all__ = [
    "plot_embedding_map",
    "plot_loss_curve",
    "plot_score_distributions",
    "plot_similarity_matrix",
    "use_korean_font",
]

CMAP = "cividis"  # 색각 이상이 있어도, 흑백으로 찍어도 밝기 순서가 남습니다
READABLE = (
    0.179  # 상대 휘도가 이보다 낮은 바탕에는 흰 글자, 높으면 검은 글자가 잘 보입니다(WCAG 2.1의 대비식)
)
MAX_ANNOTATED = 12  # 이보다 큰 행렬에는 원소마다 숫자를 적지 않습니다


def plot_similarity_matrix(
    scores: Any,
    row_labels: Sequence[object] | None = None,
    column_labels: Sequence[object] | None = None,
    title: str = "코사인 유사도",
    value_range: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """점수 행렬을 히트맵으로 그립니다. 12×12 이하면 원소마다 값을 적습니다.

    Args:
        scores: 점수 (N, M). numpy 배열이나 텐서.
        row_labels: 행의 이름 N개. 없으면 번호. 30자가 넘으면 가운데를 줄입니다.
        column_labels: 열의 이름 M개. 없으면 번호.
        title: 제목.
        value_range: 색의 (최솟값, 최댓값). 여러 그림을 비교할 때 같게 맞춥니다.
        ax: 그릴 축. None이면 행렬의 크기에 맞는 새 그림.

    Raises:
        InputError: 2차원이 아니거나, NaN이 있거나, 이름의 개수가 다를 때.
    """
    matrix = _array(scores, ndim=2)
    rows = _labels(row_labels, matrix.shape[0], "row_labels")
    columns = _labels(column_labels, matrix.shape[1], "column_labels")
    ensure_korean_font()
    announce_missing([title, *(rows or []), *(columns or [])])
    n_rows, n_columns = matrix.shape
    annotate = max(matrix.shape) <= MAX_ANNOTATED
    if ax is None:
        cell = 0.85 if annotate else min(0.35, 8 / max(matrix.shape))
        ax = _new_axes(max(5.5, 3.5 + cell * n_columns), max(4, 1.8 + cell * n_rows))
    low, high = value_range or (None, None)
    sns.heatmap(
        matrix,
        ax=ax,
        cmap=CMAP,
        vmin=low,
        vmax=high,
        annot=annotate,
        fmt=".2f",
        annot_kws={"size": 13 if max(matrix.shape) <= 8 else 10, "family": list(NUMBERS)},
        square=True,
        linewidths=0.5 if annotate else 0,
        xticklabels=max(1, n_columns // 8) if columns is None else False,
        yticklabels=max(1, n_rows // 8) if rows is None else False,
    )
    painted: Any = ax.collections[0]
    for axes in (ax, painted.colorbar.ax):
        axes.tick_params(labelfontfamily=list(NUMBERS))
    for text, color in zip(ax.texts, painted.get_facecolor(), strict=False):
        text.set_color("white" if relative_luminance(color) < READABLE else "black")
    if columns is not None:
        ax.set_xticks(np.arange(n_columns) + 0.5, map(drawable, columns), parse_math=False)
        as_plain(ax.get_xticklabels())
    if rows is not None:
        ax.set_yticks(np.arange(n_rows) + 0.5, map(drawable, rows), parse_math=False)
        as_plain(ax.get_yticklabels())
    ax.tick_params(axis="x", rotation=90 if columns is not None else 0)
    ax.tick_params(axis="y", rotation=0)
    _write(ax, title=title)
    return ax


def plot_score_distributions(
    scores: Mapping[str, Any],
    threshold: float | None = None,
    title: str = "점수의 분포",
    xlabel: str = "코사인 유사도",
    ax: Axes | None = None,
) -> Axes:
    """여러 집단의 점수 분포를 한 축에 겹쳐 그립니다. 집단마다 넓이를 1로 맞춥니다.

    Args:
        scores: 집단의 이름에서 점수 배열(임의 모양, 펼쳐서 셉니다)로.
        threshold: 세로선을 그을 임곗값.

    Raises:
        InputError: 집단이 없거나, 빈 배열이거나, NaN이 있을 때.
    """
    if not scores:
        raise InputError("scores가 비어 있습니다. {이름: 점수 배열}을 하나 이상 넣어 주십시오.")
    values = {name: _array(group).ravel() for name, group in scores.items()}
    ensure_korean_font()
    announce_missing([title, xlabel, *values])
    ax = ax or _new_axes(9, 4.5)
    low, high = min(v.min() for v in values.values()), max(v.max() for v in values.values())
    bins = np.linspace(low, high + 1e-9, 41).tolist()
    for (name, group), color, hatch in zip(
        values.items(),
        sns.color_palette(PALETTE, len(values)),
        ["", "//", "..", "\\\\", "xx"] * len(values),
        strict=False,
    ):
        ax.hist(
            group, bins=bins, density=True, alpha=0.55, color=color, hatch=hatch, edgecolor="white",
            label=_legend_name(f"{shorten(name)} ({len(group):,}개)"),
        )  # fmt: skip
    if threshold is not None:
        ax.axvline(threshold, color="black", linestyle="--", label=f"기준 {threshold:.2f}")
    _write(ax, xlabel=xlabel, ylabel="밀도", title=title)
    as_plain(ax.legend(fontsize=13).get_texts())
    return ax


def plot_embedding_map(
    embeddings: Any,
    groups: Sequence[object],
    styles: Sequence[object] | None = None,
    pairs: Sequence[tuple[int, int]] = (),
    title: str = "임베딩 지도 (주성분 2개)",
    ax: Axes | None = None,
) -> Axes:
    """임베딩을 주성분 분석(PCA)으로 2차원에 줄여 그립니다.

    Args:
        embeddings: (N, dim), N은 2 이상.
        groups: 색을 정하는 이름 N개(주제, 언어 …).
        styles: 표식의 모양을 정하는 이름 N개. 없으면 ``groups``와 같습니다.
        pairs: 선으로 이을 점의 번호 쌍(번역끼리 잇기 …).

    Raises:
        InputError: 2차원이 아니거나, 점이 둘보다 적거나, 이름의 개수가 다르거나, NaN이 있거나, ``pairs``의 번호가 범위 밖일 때.
    """
    from sklearn.decomposition import PCA

    points = _array(embeddings, ndim=2)
    groups = [str(group) for group in groups]
    styles = groups if styles is None else [str(style) for style in styles]
    check_same_length(groups, cast(Sized, points), ("groups", "embeddings"))
    check_same_length(styles, cast(Sized, points), ("styles", "embeddings"))
    if len(points) < 2:
        raise InputError("지도를 그리려면 문장이 둘 이상 있어야 합니다.")
    for first, second in pairs:
        if not (0 <= first < len(points) and 0 <= second < len(points)):
            raise InputError(f"pairs의 ({first}, {second})는 0부터 {len(points) - 1}까지의 번호가 아닙니다.")
    ensure_korean_font()
    announce_missing([title, *groups, *styles])
    flat = PCA(n_components=2, svd_solver="full").fit_transform(points)  # (N, 2)
    ax = ax or _new_axes(9, 6.5)
    for first, second in pairs:
        ax.plot(*flat[[first, second]].T, color="0.7", linewidth=1, zorder=1)
    # seaborn은 이름을 해석합니다(밑줄로 시작하면 범례에서 뺍니다). 그래서 이름 대신 번호를 건네고 범례에만 이름을 적습니다.
    names = list(dict.fromkeys([*groups, *styles]))
    code = {name: f"{i}번" for i, name in enumerate(names)}
    sns.scatterplot(
        x=flat[:, 0], y=flat[:, 1], hue=[code[group] for group in groups], style=[code[style] for style in styles],
        palette=sns.color_palette(PALETTE if len(set(groups)) <= 10 else "husl", len(set(groups))),
        s=110, ax=ax, zorder=2,
    )  # fmt: skip
    _write(ax, xlabel="첫째 주성분", ylabel="둘째 주성분", title=title)
    legend = ax.legend(bbox_to_anchor=(1.02, 1), loc="upper left", fontsize=12).get_texts()
    shown = {number: shorten(name) for name, number in code.items()}
    for text in legend:
        text.set_text(shown.get(text.get_text(), text.get_text()))
    as_plain(legend)
    return ax


def plot_loss_curve(
    losses: Mapping[str, Sequence[float]] | Sequence[float],
    xlabel: str = "학습 단계",
    ylabel: str = "손실",
    title: str = "손실 곡선",
    ax: Axes | None = None,
) -> Axes:
    """학습 단계마다의 손실을 선으로 그립니다.

    Args:
        losses: 손실의 목록 하나, 또는 이름에서 목록으로의 사전(비교할 때).

    Raises:
        InputError: 비었거나 NaN이 있을 때. 학습이 발산했다는 뜻입니다.
    """
    named = losses if isinstance(losses, Mapping) else {"": losses}
    if not named:
        raise InputError("losses가 비어 있습니다. 손실의 목록이나 {이름: 목록}을 넣어 주십시오.")
    curves = {name: _array(values, ndim=1) for name, values in named.items()}
    ensure_korean_font()
    announce_missing([title, xlabel, ylabel, *curves])
    ax = ax or _new_axes(9, 4.5)
    for (name, curve), style in zip(curves.items(), ["-", "--", "-.", ":"] * len(curves), strict=False):
        steps = range(1, len(curve) + 1)
        ax.plot(steps, curve, style, linewidth=2.5, label=_legend_name(shorten(name)) if name else None)
    _write(ax, xlabel=xlabel, ylabel=ylabel, title=title)
    if isinstance(losses, Mapping):
        as_plain(ax.legend().get_texts())
    return ax


def _new_axes(width: float, height: float) -> Axes:
    figure: Figure = plt.figure(figsize=(width, height))
    return figure.add_subplot()


def _labels(labels: Sequence[object] | None, size: int, name: str) -> list[str] | None:
    if labels is None:
        return None
    shown = [shorten(label) for label in labels]
    check_same_length(shown, range(size), (name, "scores의 행이나 열"))
    return shown


def _legend_name(name: str) -> str:
    """범례에 적을 이름. matplotlib은 비었거나 밑줄로 시작하는 이름을 범례에서 빼므로 앞에 공백을 둡니다."""
    return f" {name}" if name.startswith("_") or not name else name


def _write(ax: Axes, **texts: str) -> None:
    """제목(title)과 축의 이름(xlabel, ylabel)을 글자 그대로 적습니다."""
    places = {"title": ax.title, "xlabel": ax.xaxis.label, "ylabel": ax.yaxis.label}
    ax.set(**texts)
    as_plain(places[name] for name in texts)


def _array(values: Any, ndim: int | None = None) -> np.ndarray:
    if hasattr(values, "detach"):  # torch 텐서
        values = values.detach().cpu().float()
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"그릴 값은 수의 배열이어야 하는데 {type(values).__name__}이(가) 왔습니다."
        ) from error
    if array.size == 0 or (ndim is not None and array.ndim != ndim):
        raise InputError(
            f"그릴 값의 모양이 {array.shape}입니다. 비어 있지 않은 {ndim or 1}차원 배열을 넣어 주십시오."
        )
    if not np.isfinite(array).all():
        where = np.argwhere(~np.isfinite(array))[0].tolist()
        raise InputError(f"그릴 값에 NaN이나 무한대가 있습니다. 첫 위치는 {where}입니다.")
    return array
