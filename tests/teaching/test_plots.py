"""그림: 그려지는가, 한글이 네모로 나오지 않는가, 값과 이름이 제자리에 있는가."""

import warnings

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
from seaborn.utils import relative_luminance  # noqa: E402

from labse_helpers import (  # noqa: E402
    InputError,
    estimate,
    plot_embedding_map,
    plot_loss_curve,
    plot_score_distributions,
    plot_similarity_matrix,
    use_korean_font,
)
from labse_helpers.teaching import plots  # noqa: E402


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def draw(ax) -> None:
    """실제로 그려 봅니다. 글꼴에 없는 글자가 있으면 경고가 나고, 여기서는 오류가 됩니다."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax.figure.canvas.draw()


def test_missing_glyph_is_noticed():
    use_korean_font()
    _, ax = plt.subplots()
    ax.set_title("글꼴에 없는 글자: \U00012000")
    with pytest.raises(UserWarning, match="Glyph"):
        draw(ax)


def test_every_hangul_syllable_can_be_drawn():
    use_korean_font()
    _, ax = plt.subplots()
    ax.set_title("".join(chr(c) for c in range(0xAC00, 0xD7A4)))
    draw(ax)


def test_similarity_matrix_small_is_annotated():
    ax = plot_similarity_matrix(torch.eye(2), ["가나다", "라마바"], ["one", "two"], title="−0.5부터 1까지")
    draw(ax)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["가나다", "라마바"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["one", "two"]
    assert [t.get_text() for t in ax.texts] == ["1.00", "0.00", "0.00", "1.00"]


def test_numbers_on_the_heatmap_are_readable():
    ax = plot_similarity_matrix(np.linspace(0, 1, 100).reshape(10, 10))
    for text, color in zip(ax.texts, ax.collections[0].get_facecolors(), strict=True):
        light, dark = sorted((relative_luminance(text.get_color()), relative_luminance(color)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5  # WCAG 2.1 AA


def test_similarity_matrix_large_is_not_annotated():
    ax = plot_similarity_matrix(np.random.default_rng(0).normal(size=(100, 120)), value_range=(-1, 1))
    draw(ax)
    assert not ax.texts
    assert ax.collections[0].get_clim() == (-1, 1)


def test_score_distributions():
    rng = np.random.default_rng(0)
    ax = plot_score_distributions(
        {"번역": rng.normal(0.8, 0.1, 50), "남": rng.normal(0.2, 0.1, (9, 9))}, threshold=0.5
    )
    draw(ax)
    labels = [t.get_text() for t in ax.get_legend().get_texts()]
    assert set(labels) == {"번역 (50개)", "남 (81개)", "임곗값 0.50"}
    assert ax.get_xlabel() == "코사인 유사도"
    assert ax.get_ylabel()


def test_embedding_map_with_styles_and_lines():
    points = np.random.default_rng(0).normal(size=(6, 10))
    ax = plot_embedding_map(
        points, ["날씨"] * 3 + ["음식"] * 3, styles=["한국어", "영어"] * 3, pairs=[(0, 1), (2, 3)]
    )
    draw(ax)
    assert sum(len(line.get_xdata()) == 2 for line in ax.lines) == 2
    assert {"날씨", "음식", "한국어", "영어"} <= {t.get_text() for t in ax.get_legend().get_texts()}


def test_loss_curve_one_and_many():
    draw(plot_loss_curve([3.0, 2.0, 1.0]))
    ax = plot_loss_curve({"마진 0": [2, 1], "마진 0.3": [3, 2]})
    draw(ax)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["마진 0", "마진 0.3"]
    assert all(tick == round(tick) for tick in ax.get_xticks())  # 스텝은 정수입니다


def test_many_curves_and_groups_are_all_drawn():
    ax = plot_loss_curve({f"학습률 {i}": [2.0, 1.0] for i in range(15)})
    assert len(ax.lines) == len(ax.get_legend().get_texts()) == 15
    ax = plot_score_distributions({f"집단 {i}": [0.1, i / 15] for i in range(15)})
    assert len(ax.get_legend().get_texts()) == 15


def test_labels_may_come_from_pandas_in_any_order():
    names = pd.Series(["가", "나", "다"], index=[2, 0, 1])
    ax = plot_similarity_matrix(np.eye(3), names, names)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["가", "나", "다"]
    ax = plot_embedding_map(np.eye(3), names, styles=pd.Series([1, 2, None]))
    assert {"가", "나", "다", "1.0", "nan"} <= {t.get_text() for t in ax.get_legend().get_texts()}
    assert sum(len(c.get_offsets()) for c in ax.collections) == 3  # 이름이 NaN인 점도 빠지지 않습니다


def test_draws_into_a_given_axis():
    _, axes = plt.subplots(1, 2)
    assert plot_similarity_matrix(np.eye(2), ax=axes[0]) is axes[0]
    assert plot_loss_curve([1, 2], ax=axes[1]) is axes[1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot_similarity_matrix(np.ones(3)), "2차원"),
        (lambda: plot_similarity_matrix(np.array([[np.nan]])), r"NaN.*\[0, 0\]"),
        (lambda: plot_similarity_matrix(np.eye(2), row_labels=["하나"]), "row_labels는 1개"),
        (lambda: plot_score_distributions({}), "비어 있습니다"),
        (lambda: plot_score_distributions({"빈": np.array([])}), "비어 있지 않은"),
        (lambda: plot_embedding_map(np.eye(3), ["하나"]), "groups는 1개"),
        (lambda: plot_embedding_map(np.eye(3), ["가"] * 3, styles=["나"]), "styles는 1개"),
        (lambda: plot_embedding_map(np.eye(3), ["가"] * 3, pairs=[(0, 3)]), r"pairs의 \(0, 3\)"),
        (lambda: plot_embedding_map(np.eye(3), ["가"] * 3, pairs=[(-1, 0)]), r"pairs의 \(-1, 0\)"),
        (lambda: plot_embedding_map(np.ones((1, 4)), ["하나"]), "둘 이상"),
        (lambda: plot_loss_curve({}), "비어 있습니다"),
        (lambda: plot_loss_curve(["손실"]), "수의 배열"),
        (lambda: plot_similarity_matrix([[1, 2], [3]]), "수의 배열"),
        (lambda: plot_loss_curve([]), "비어 있지 않은"),
        (lambda: plot_loss_curve([1.0, float("inf")]), "무한대"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_lines_with_and_without_intervals():
    points = [estimate([0.0, 1.0, 1.0]), estimate([1.0, 1.0, 0.0])]
    ax = plots.plot_lines(
        [8, 16], {"재어 본 값": points, "식": [0.1, 0.9]}, "문장 수", "비율", "제목", ylim=(0, 1)
    )
    draw(ax)
    assert len(ax.lines) == 2 and len(ax.collections) == 1  # 구간의 띠는 하나
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["재어 본 값", "식"]
    with pytest.raises(InputError, match="curves"):
        plots.plot_lines([1], {}, "x", "y", "제목")


def test_bars_carry_their_values():
    ax = plots.plot_bars({"가": 0.82, "나": 0.18}, "비율", "제목", "{:.0%}")
    draw(ax)
    assert [t.get_text() for t in ax.texts] == ["82%", "18%"]


def test_attention_panels_share_one_scale():
    figure = plots.plot_attention(
        [np.eye(3), np.eye(2) / 2], [["가", "나", "다"], ["a", "b"]], ["한국어", "영어"]
    )
    figure.canvas.draw()
    panels = [ax for ax in figure.axes if ax.images]
    assert {ax.images[0].get_clim() for ax in panels} == {(0.0, 1.0)}
    assert len({round(ax.get_position().y0, 3) for ax in panels}) == 1
    assert [t.get_text() for t in panels[0].get_xticklabels()] == ["가", "나", "다"]


def test_estimates_have_their_interval_value_and_reference():
    rates = {"부정": estimate([1.0, 1.0, 1.0, 0.0]), "행위자": estimate([1.0, 0.0, 0.0, 0.0])}
    ax = plots.plot_estimates(rates, xlabel="비율", title="범주별", reference=0.25)
    draw(ax)
    assert [t.get_text() for t in ax.texts] == ["75%", "25%"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["부정", "행위자"]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["우연"]


def test_roc_curves_say_their_auc():
    ax = plots.plot_roc_curves({"쉬운": ([0.8, 0.9], [0.1, 0.2]), "어려운": ([0.5, 0.1], [0.5, 0.1])})
    draw(ax)
    said = [t.get_text() for t in ax.get_legend().get_texts()]
    assert said == ["쉬운 (AUC 1.000)", "어려운 (AUC 0.500)", "우연 (AUC 0.500)"]
    with pytest.raises(InputError):
        plots.plot_roc_curves({})


def test_counts_are_drawn_one_step_a_whole_number():
    ax = plots.plot_counts({"실제": [0, 1, 1, 4], "무작위": np.array([[1, 1], [1, 1]])}, "횟수", "분포")
    draw(ax)
    steps = [patch.get_data() for patch in ax.patches]
    assert steps[0].values.tolist() == [1, 2, 0, 0, 1]
    assert steps[1].values.tolist() == [0, 4, 0, 0, 0]
    assert steps[0].edges.tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5, 4.5]
    for wrong in ({}, {"가": [-1]}, {"가": [0.5]}):
        with pytest.raises(InputError):
            plots.plot_counts(wrong, "횟수", "분포")


def test_scatter_has_a_diagonal_and_a_legend_outside():
    ax = plots.plot_scatter(
        {"가": ([0.1, 0.9], [0.2, 0.4]), "나": ([0.5], [0.5])}, "x", "y", "제목", "같은 곳"
    )
    draw(ax)
    assert list(ax.lines[0].get_xdata()) == [0.1, 0.9] and len(ax.collections) == 2
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["가 (2개)", "나 (1개)", "같은 곳"]
    for wrong in ({}, {"가": ([0.1], [0.1, 0.2])}):
        with pytest.raises(InputError):
            plots.plot_scatter(wrong, "x", "y", "제목")


def test_precision_recall_marks_the_best_f1():
    table = pd.DataFrame({"precision": [1.0, 0.8, 0.5], "recall": [0.2, 0.8, 1.0], "f1": [0.33, 0.8, 0.67]})
    ax = plots.plot_precision_recall({"ratio": table}, "제목")
    draw(ax)
    assert (ax.lines[1].get_xdata()[0], ax.lines[1].get_ydata()[0]) == (0.8, 0.8)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["ratio (가장 높은 F1 0.80)"]
    with pytest.raises(InputError):
        plots.plot_precision_recall({}, "제목")
