"""그림: 유사도 행렬, 점수 분포, 임베딩 지도, 손실 곡선. 색은 여기서, 글꼴은 ``fonts.py``에서 한 번만 정합니다.

제목, 축의 이름, 이름표, 범례에 넣은 글은 모두 글자 그대로 그려집니다. ``$5 to $9``도 수식이 되지 않습니다. 수식을 쓰려면 돌려받은
축에 ``ax.set_title("$x^2$", parse_math=True)``라고 적으십시오.
"""

from collections.abc import Mapping, Sequence, Sized
from itertools import cycle
from typing import Any, cast

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
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
    "plot_attention",
    "plot_bars",
    "plot_counts",
    "plot_embedding_map",
    "plot_estimates",
    "plot_lines",
    "plot_loss_curve",
    "plot_precision_recall",
    "plot_roc_curves",
    "plot_scatter",
    "plot_score_distributions",
    "plot_similarity_matrix",
    "use_korean_font",
]

CMAP = "cividis"  # 색각 이상이 있어도, 흑백으로 찍어도 밝기 순서가 남습니다
READABLE = (
    0.179  # 상대 휘도가 이보다 낮은 바탕에는 흰 글자, 높으면 검은 글자가 잘 보입니다(WCAG 2.1의 대비식)
)
LINES = ("-", "--", "-.", ":")  # 색을 가리지 못해도 선의 모양으로 구별됩니다
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
    _check_some(scores, "scores", "{이름: 점수 배열}을 하나 이상")
    values = {name: _array(group).ravel() for name, group in scores.items()}
    ax = _start(ax, 9, 4.5, [title, xlabel, *values])
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
        ax.axvline(threshold, color="black", linestyle="--", label=f"임곗값 {threshold:.2f}")
    _write(ax, xlabel=xlabel, ylabel="밀도", title=title)
    _legend_outside(ax)
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
    legend = _legend_outside(ax)
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
    ax = _start(ax, 9, 4.5, [title, xlabel, ylabel, *curves])
    for (name, curve), style in zip(curves.items(), cycle(LINES), strict=False):
        steps = range(1, len(curve) + 1)
        ax.plot(steps, curve, style, linewidth=2.5, label=_legend_name(shorten(name)) if name else None)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))  # 스텝은 정수입니다
    _write(ax, xlabel=xlabel, ylabel=ylabel, title=title)
    if isinstance(losses, Mapping):
        _legend_outside(ax)
    return ax


def plot_lines(
    x: Sequence[float],
    curves: Mapping[str, Any],
    xlabel: str,
    ylabel: str,
    title: str,
    ylim: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """같은 x에 대한 값들을 이름마다 선 하나로 그립니다. 범례는 그림 밖 오른쪽에 놓아 선을 가리지 않습니다.

    Args:
        x: 가로축의 값 P개.
        curves: 이름에서 값 (P,)으로. 값이 ``Estimate`` P개이면 95 % 신뢰구간을 띠로 함께 그립니다.
        ylim: 세로축의 (최솟값, 최댓값).

    Raises:
        InputError: 비었거나, 개수가 ``x``와 다르거나, NaN이 있을 때.
    """
    _check_some(curves, "curves", "{이름: 값의 목록}을 하나 이상")
    ax = _start(ax, 9, 4.5, [title, xlabel, ylabel, *curves])
    marks = ["o-", "s--", "^-.", "D:"] * len(curves)
    for (name, values), mark in zip(curves.items(), marks, strict=False):
        estimates = list(values)
        check_same_length(estimates, x, ("curves의 값", "x"))
        has_interval = hasattr(estimates[0], "low")
        centre = _array([e.value for e in estimates] if has_interval else estimates, ndim=1)
        (line,) = ax.plot(x, centre, mark, linewidth=2.5, markersize=8, label=_legend_name(shorten(name)))
        if has_interval:
            low, high = [e.low for e in estimates], [e.high for e in estimates]
            ax.fill_between(x, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    if ylim is not None:
        ax.set_ylim(*ylim)
    _write(ax, xlabel=xlabel, ylabel=ylabel, title=title)
    if len(curves) > 1:
        _legend_outside(ax)
    return ax


def plot_bars(
    values: Mapping[str, float],
    xlabel: str,
    title: str,
    fmt: str = "{:.1f}",
    ax: Axes | None = None,
) -> Axes:
    """이름마다 가로 막대 하나를 위에서부터 그리고, 막대 끝에 값을 적습니다.

    Args:
        values: 이름에서 값으로 B개.
        fmt: 값을 적는 형식. 예: ``"{:.0%}"``.

    Raises:
        InputError: 비었거나 NaN이 있을 때.
    """
    widths = _array(list(values.values()), ndim=1)  # (B,)
    ax = _start(ax, 9, 1.2 + 0.55 * len(widths), [title, xlabel, *values])
    bars = ax.barh([shorten(name) for name in values], widths)
    ax.invert_yaxis()
    ax.bar_label(bars, [fmt.format(width) for width in widths], padding=6, fontsize=13)
    ax.margins(x=0.15)
    ax.grid(visible=False, axis="y")
    _write(ax, xlabel=xlabel, title=title)
    as_plain(ax.get_yticklabels())
    return ax


def plot_attention(weights: Sequence[Any], tokens: Sequence[Sequence[str]], titles: Sequence[str]) -> Figure:
    """어텐션 가중치 행렬들을 같은 색 범위로 나란히 그립니다. 행의 토큰이 열의 토큰을 얼마나 반영하는지입니다.

    Args:
        weights: 문장마다 (L, L). 길이 L은 문장마다 달라도 됩니다.
        tokens: 문장마다 토큰 L개.
        titles: 문장마다의 제목.

    Raises:
        InputError: 2차원이 아니거나, 토큰의 개수가 L과 다르거나, NaN이 있을 때.
    """
    matrices = [_array(matrix, ndim=2) for matrix in weights]
    for matrix, names in zip(matrices, tokens, strict=True):
        check_same_length(names, matrix, ("tokens", "weights의 행"))
    ensure_korean_font()
    announce_missing([*titles, *(token for names in tokens for token in names)])
    figure, axes = plt.subplots(
        1, len(matrices), figsize=(6.6 * len(matrices), 6), layout="constrained", squeeze=False
    )
    top = max(matrix.max() for matrix in matrices)
    for ax, matrix, names, title in zip(axes[0], matrices, tokens, titles, strict=True):
        shown = [drawable(token) for token in names]
        image = ax.imshow(matrix, cmap=CMAP, vmin=0, vmax=top, aspect="auto")
        ax.set_xticks(range(len(shown)), shown, rotation=90, parse_math=False)
        ax.set_yticks(range(len(shown)), shown, parse_math=False)
        ax.grid(visible=False)
        _write(ax, xlabel="반영되는 토큰", ylabel="반영하는 토큰", title=title)
        as_plain([*ax.get_xticklabels(), *ax.get_yticklabels()])
    figure.colorbar(image, ax=axes[0].tolist(), label="어텐션 가중치", fraction=0.04)
    return figure


def plot_estimates(
    estimates: Mapping[str, Any],
    xlabel: str,
    title: str,
    reference: float | None = None,
    reference_name: str = "우연",
    fmt: str = "{:.0%}",
    ax: Axes | None = None,
) -> Axes:
    """이름마다 점 하나와 95 % 신뢰구간을 위에서부터 그리고, 오른쪽에 값을 적습니다. 비율에도, 두 값의 차이에도 씁니다.

    Args:
        estimates: 이름에서 ``Estimate``로 B개.
        reference: 세로선을 그을 값(우연히 맞힐 비율, 차이 0 …). 선의 이름은 그림 밖 오른쪽 위에 적습니다.
        fmt: 값을 적는 형식.

    Raises:
        InputError: 비었거나 NaN이 있을 때.
    """
    centre = _array([e.value for e in estimates.values()], ndim=1)  # (B,)
    low = _array([e.low for e in estimates.values()], ndim=1)
    high = _array([e.high for e in estimates.values()], ndim=1)
    ax = _start(ax, 9, 1.6 + 0.5 * len(centre), [title, xlabel, reference_name, *estimates])
    rows = np.arange(len(centre))
    ax.errorbar(
        centre, rows, xerr=[np.maximum(0, centre - low), np.maximum(0, high - centre)],
        fmt="o", markersize=9, capsize=4, linewidth=2,
    )  # fmt: skip
    for row, value in enumerate(centre.tolist()):
        ax.text(1.02, row, fmt.format(value), transform=ax.get_yaxis_transform(), va="center", fontsize=13)
    if reference is not None:
        ax.axvline(reference, color="black", linestyle="--", label=_legend_name(reference_name))
        _legend_outside(ax, 1.12)
    ax.set_yticks(rows, map(drawable, map(shorten, estimates)), parse_math=False)
    ax.set_ylim(len(centre) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")
    _write(ax, xlabel=xlabel, title=title)
    as_plain(ax.get_yticklabels())
    return ax


def plot_roc_curves(
    scores: Mapping[str, tuple[Any, Any]],
    title: str = "ROC 곡선",
    ax: Axes | None = None,
) -> Axes:
    """ROC 곡선: 임곗값을 낮추어 갈 때 오답 쌍을 통과시키는 비율(가로)과 정답 쌍을 통과시키는 비율(세로).

    Args:
        scores: 이름에서 (정답 쌍의 점수 (P,), 오답 쌍의 점수 (N,))으로.

    Raises:
        InputError: 비었거나 NaN이 있을 때.
    """
    from sklearn.metrics import roc_auc_score, roc_curve

    _check_some(scores, "scores", "{이름: (정답 쌍의 점수, 오답 쌍의 점수)}를")
    ax = _start(ax, 7, 5, [title, *scores])
    for (name, (positives, negatives)), style in zip(scores.items(), cycle(LINES), strict=False):
        right, wrong = _array(positives).ravel(), _array(negatives).ravel()
        labels, values = np.repeat([1, 0], [len(right), len(wrong)]), np.concatenate([right, wrong])
        false_rate, true_rate, _ = roc_curve(labels, values)
        label = f"{shorten(name)} (AUC {roc_auc_score(labels, values):.3f})"
        ax.plot(false_rate, true_rate, style, linewidth=2.5, label=_legend_name(label))
    ax.plot([0, 1], [0, 1], color="0.4", linewidth=1, label="우연 (AUC 0.500)")
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    _write(ax, xlabel="통과한 오답 쌍의 비율", ylabel="통과한 정답 쌍의 비율", title=title)
    _legend_outside(ax)
    return ax


def plot_counts(
    counts: Mapping[str, Any],
    xlabel: str,
    title: str,
    ylabel: str = "개수",
    ax: Axes | None = None,
) -> Axes:
    """집단마다 0 이상의 정수들의 분포를, 정수 하나에 막대 하나인 계단 모양으로 겹쳐 그립니다.

    Args:
        counts: 집단의 이름에서 정수 배열(임의 모양)로. 예: 후보마다 이웃에 든 횟수.

    Raises:
        InputError: 비었거나, NaN이 있거나, 음수나 소수가 있을 때.
    """
    _check_some(counts, "counts", "{이름: 정수 배열}을 하나 이상")
    values = {name: _array(group).ravel() for name, group in counts.items()}
    if any((group < 0).any() or (group != group.round()).any() for group in values.values()):
        raise InputError("counts에는 0 이상의 정수를 넣어 주십시오.")
    ax = _start(ax, 9, 4.5, [title, xlabel, ylabel, *values])
    edges = np.arange(max(group.max() for group in values.values()) + 2) - 0.5
    for (name, group), style in zip(values.items(), cycle(LINES), strict=False):
        heights = np.histogram(group, bins=edges)[0]
        ax.stairs(heights, edges, linewidth=2.5, linestyle=style, label=_legend_name(shorten(name)))
    _write(ax, xlabel=xlabel, ylabel=ylabel, title=title)
    _legend_outside(ax)
    return ax


def plot_scatter(
    groups: Mapping[str, tuple[Any, Any]],
    xlabel: str,
    ylabel: str,
    title: str,
    diagonal: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """집단마다 점들을 모양을 달리해 그립니다. 범례는 그림 밖 오른쪽에 놓습니다.

    Args:
        groups: 집단의 이름에서 (가로축의 값 (P,), 세로축의 값 (P,))으로.
        diagonal: 두 값이 같은 곳에 그을 점선의 이름. None이면 긋지 않습니다.

    Raises:
        InputError: 비었거나, 두 값의 개수가 다르거나, NaN이 있을 때.
    """
    _check_some(groups, "groups", "{이름: (가로축의 값, 세로축의 값)}을")
    points = {name: (_array(x, ndim=1), _array(y, ndim=1)) for name, (x, y) in groups.items()}
    ax = _start(ax, 9, 5.5, [title, xlabel, ylabel, diagonal or "", *points])
    for (name, (x, y)), mark in zip(points.items(), "o^sDv" * len(points), strict=False):
        check_same_length(x, y, ("가로축의 값", "세로축의 값"))
        ax.scatter(x, y, s=28, alpha=0.55, marker=mark, label=_legend_name(f"{shorten(name)} ({len(x):,}개)"))
    if diagonal is not None:
        ends = [min(x.min() for x, _ in points.values()), max(x.max() for x, _ in points.values())]
        ax.plot(ends, ends, "--", color="black", label=_legend_name(shorten(diagonal)))
    _write(ax, xlabel=xlabel, ylabel=ylabel, title=title)
    _legend_outside(ax)
    return ax


def plot_precision_recall(curves: Mapping[str, Any], title: str, ax: Axes | None = None) -> Axes:
    """정밀도–재현율 곡선을 이름마다 하나씩 그리고, F1이 가장 높은 곳에 점을 찍습니다.

    Args:
        curves: 이름에서 ``precision_recall``의 결과(열이 ``precision``, ``recall``, ``f1``인 표)로.

    Raises:
        InputError: 비었거나 NaN이 있을 때.
    """
    _check_some(curves, "curves", "{이름: precision_recall의 결과}를")
    ax = _start(ax, 9, 5.5, [title, *curves])
    for (name, table), style in zip(curves.items(), cycle(LINES), strict=False):
        precision, recall, f1 = (_array(table[column], ndim=1) for column in ("precision", "recall", "f1"))
        best = f1.argmax()
        label = _legend_name(f"{shorten(name)} (가장 높은 F1 {f1[best]:.2f})")
        (line,) = ax.plot(recall, precision, style, linewidth=2.5, label=label)
        ax.plot(recall[best], precision[best], "o", markersize=10, color=line.get_color())
    ax.set(xlim=(0, 1.02), ylim=(0, 1.05))
    _write(ax, xlabel="재현율", ylabel="정밀도", title=title)
    _legend_outside(ax)
    return ax


def _start(ax: Axes | None, width: float, height: float, texts: Sequence[str]) -> Axes:
    """글꼴을 갖추고, 그리지 못할 글자를 알린 다음, 그릴 축을 돌려줍니다. ``ax``가 None이면 가로 ``width``, 세로 ``height``인치의 새 축입니다."""
    ensure_korean_font()
    announce_missing(texts)
    return ax or _new_axes(width, height)


def _new_axes(width: float, height: float) -> Axes:
    figure: Figure = plt.figure(figsize=(width, height))
    return figure.add_subplot()


def _labels(labels: Sequence[object] | None, size: int, name: str) -> list[str] | None:
    if labels is None:
        return None
    shown = [shorten(label) for label in labels]
    check_same_length(shown, range(size), (name, "scores의 행이나 열"))
    return shown


def _check_some(named: Mapping[str, Any], name: str, expected: str) -> None:
    if not named:
        raise InputError(f"{name}가 비어 있습니다. {expected} 넣어 주십시오.")


def _legend_outside(ax: Axes, left: float = 1.02) -> list[Text]:
    """범례를 그림 밖 오른쪽에 놓아 값을 가리지 않게 하고, 그 글들을 돌려줍니다."""
    texts = ax.legend(bbox_to_anchor=(left, 1), loc="upper left", fontsize=13).get_texts()
    as_plain(texts)
    return texts


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
