"""글꼴과 글: 어느 문자든 그려지거나 그렇지 못함을 알리고, 사용자의 글이 수식이 되지 않는가."""

import importlib.util
import warnings

import matplotlib
import matplotlib.mathtext

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import seaborn as sns  # noqa: E402

from labse_helpers import (  # noqa: E402
    InputError,
    plot_embedding_map,
    plot_loss_curve,
    plot_score_distributions,
    plot_similarity_matrix,
    use_korean_font,
)
from labse_helpers.teaching import fonts  # noqa: E402

EYE = np.eye(2)
CALLS = {  # 사용자의 글 N개를 이름표, 범례, 제목에 넣는 부름
    "rows": lambda names: plot_similarity_matrix(np.eye(len(names)), row_labels=names),
    "columns": lambda names: plot_similarity_matrix(np.eye(len(names)), column_labels=names),
    "title": lambda names: plot_similarity_matrix(EYE, title=" / ".join(names)),
    "distributions": lambda names: plot_score_distributions(
        {name: [0.1, 0.5 + i] for i, name in enumerate(names)}
    ),
    "xlabel": lambda names: plot_score_distributions({"점수": [0.1, 0.5]}, xlabel=" / ".join(names)),
    "groups": lambda names: plot_embedding_map(np.eye(len(names)), names, title=names[0]),
    "styles": lambda names: plot_embedding_map(np.eye(len(names)), ["가"] * len(names), styles=names),
    "curves": lambda names: plot_loss_curve({name: [2.0, 1.0 + i] for i, name in enumerate(names)}),
    "ylabel": lambda names: plot_loss_curve([2.0, 1.0], ylabel=" / ".join(names)),
}
MARKUP = [
    "$5 to $9", "$5_$", "$\\alpha$", "\\$x$ \\frac{1}{2}", "100 % {0} {name}", "%s %(x)d", "<b>굵게</b>", "&lt; &amp;", "_밑줄로 시작",
    "__두 줄__", "x^2 a_b ~ # &", "\\\\server\\path", "nan", "None", "1", "-1e300",
]  # fmt: skip


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def draw(ax) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax.figure.canvas.draw()


def texts_of(ax) -> str:
    legend = ax.get_legend().get_texts() if ax.get_legend() else []
    ticks = [*ax.get_xticklabels(), *ax.get_yticklabels()]
    return "\n".join(t.get_text() for t in (ax.title, ax.xaxis.label, ax.yaxis.label, *ticks, *legend))


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_user_text_is_never_markup(call, monkeypatch):
    def is_markup(*args, **kwargs):
        raise AssertionError("수식으로 읽었습니다")

    monkeypatch.setattr(matplotlib.mathtext.MathTextParser, "parse", is_markup)
    ax = call(MARKUP)
    draw(ax)
    assert [name for name in MARKUP if name not in texts_of(ax)] == []


def test_the_test_above_can_fail():
    _, ax = plt.subplots()
    ax.set_title("$5_$")
    with pytest.raises(ValueError, match="Expected"):
        draw(ax)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_identical_and_very_long_labels(call):
    long = "가" * 100 + "나" * 100
    ax = call(["같은 이름", "같은 이름"])
    draw(ax)
    ax = call([long + "끝", long + "END"])
    draw(ax)
    assert "END" in texts_of(ax) and "끝" in texts_of(ax)  # 줄여도 끝이 남아 구별됩니다


@pytest.mark.parametrize(
    "text",
    [
        "이모지 \U0001f642 \U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f1f0\U0001f1f7 \U0001f44d\U0001f3fd ❤️",
        "漢字 說明 说们 經營 龜",
        "ภาษาไทย น้ำใจ",
        "مرحبا بالعالم",
        "שלום עולם",
        "हिन्दी क्षत्रिय",
        "日本語 ひらがな カタカナ",
        "Ελληνικά Кириллица Tiếng Việt ქართული",
        "한\u200b글 \u2066중\u2069 \ufeff\u00ad",
    ],
)
def test_every_script_of_the_course_is_drawn(text, capsys):
    ax = plot_similarity_matrix(EYE, [text, "둘"], title=text)
    draw(ax)
    assert fonts.shorten(text) in texts_of(ax)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_no_font_has_is_replaced_and_announced(call, capsys):
    ax = call(["하나\U00012000", "\U00012000둘\U00012000"])
    draw(ax)
    assert "하나□" in texts_of(ax) and "□둘□" in texts_of(ax)
    assert capsys.readouterr().out == "글꼴에 없는 글자를 □로 그렸습니다: U+12000 CUNEIFORM SIGN A\n"


@pytest.mark.parametrize(
    ("character", "said"),
    [
        ("\U00020bb7", "U+20BB7 CJK UNIFIED IDEOGRAPH-20BB7"),
        ("\U000f0000", "U+F0000"),
        ("\x85", "U+0085"),
        ("\ud800", "U+D800"),
    ],
)
def test_every_kind_of_missing_character_is_named(character, said, capsys):
    draw(plot_loss_curve([2, 1], title=f"제목{character}"))
    assert capsys.readouterr().out == f"글꼴에 없는 글자를 □로 그렸습니다: {said}\n"


def test_many_missing_characters_are_one_line(capsys):
    plot_loss_curve([2, 1], title="".join(map(chr, range(0x12000, 0x12010))))
    line = capsys.readouterr().out
    assert line.count("\n") == 1 and "U+12004" in line and "외 11자" in line


def test_without_the_extra_fonts_it_still_draws_and_says_so(monkeypatch, capsys):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in fonts.WHEELS else found(name)
    )
    for cached in (fonts.families, fonts._family_of):
        cached.cache_clear()
    try:
        ax = plot_similarity_matrix(EYE, ["\U0001f642 웃음", "ไทย"])
        draw(ax)
        assert "□ 웃음" in texts_of(ax)
        assert "U+1F642 SLIGHTLY SMILING FACE" in capsys.readouterr().out
        assert fonts.missing_wheels() == ["manimgx-fonts", "pylopdf-fonts-zh-cn"]
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        fonts.families.cache_clear()
        with pytest.raises(InputError, match="pip install koreanize-matplotlib"):
            use_korean_font()
    finally:
        for cached in (fonts.families, fonts._family_of):
            cached.cache_clear()


def other_theme() -> None:
    sns.set_theme(style="dark")


def default_settings() -> None:
    plt.rcdefaults()


def latin_family() -> None:
    plt.rcParams["font.family"] = ["serif"]


@pytest.mark.parametrize("change", [other_theme, default_settings, latin_family])
def test_korean_font_comes_back(change):
    use_korean_font()
    change()
    assert plt.rcParams["font.family"] != list(fonts.families())
    use_korean_font()
    _, ax = plt.subplots()
    ax.set_title("한글 제목 −1")
    draw(ax)


@pytest.mark.parametrize(
    ("call", "change"),
    [(call, other_theme) for call in CALLS.values()]
    + [(CALLS["rows"], default_settings), (CALLS["curves"], latin_family)],
)
def test_figures_find_the_font_after_a_change_of_theme(call, change):
    use_korean_font()
    change()
    draw(call(["한글 이름", "다른 이름"]))


def test_an_axis_made_under_another_theme_gets_korean_text():
    use_korean_font()
    sns.set_theme()
    _, (left, right) = plt.subplots(1, 2)
    draw(plot_similarity_matrix(EYE, ["한", "글"], ["가", "나"], title="제목", ax=left))
    draw(plot_loss_curve({"이름": [2, 1]}, title="제목", ax=right))


def test_a_style_chosen_by_the_user_is_kept():
    plot_loss_curve([2, 1])
    sns.set_theme(style="dark", palette="muted")
    before = plt.rcParams["axes.facecolor"], plt.rcParams["axes.prop_cycle"]
    plot_loss_curve([2, 1])
    assert before == (plt.rcParams["axes.facecolor"], plt.rcParams["axes.prop_cycle"])
    use_korean_font()


def test_only_the_fonts_that_are_needed_are_searched():
    assert fonts.families_for("한글 ABC −1 \n 漢字") == ["NanumGothic", "DejaVu Sans"]
    assert fonts.families_for("ไทย 한글 说") == [
        "NanumGothic",
        "DejaVu Sans",
        "Noto Sans Thai",
        "Noto Sans SC",
    ]
    ax = plot_similarity_matrix(EYE, ["가", "나"])
    assert {len(text.get_family()) for text in [*ax.texts, *ax.get_yticklabels()]} == {2}


def test_mathematics_is_still_possible_where_it_is_asked_for():
    ax = plot_loss_curve([2, 1])
    ax.set_title("$x^2$", parse_math=True)
    draw(ax)
    assert ax.title.get_parse_math()


@pytest.mark.parametrize("weight", ["bold", "light", 600])
def test_bold_text_brings_no_message(weight, caplog):
    use_korean_font()
    _, ax = plt.subplots()
    ax.set_title("굵은 제목 \U0001f642 ไทย 们", fontweight=weight)
    draw(ax)
    assert not [record for record in caplog.records if "Noto" in record.getMessage()]


def test_shorten_keeps_both_ends():
    assert fonts.shorten("짧은 글") == "짧은 글"
    for width in (3, 10, 11):
        short = fonts.shorten("가" + "나" * 300 + "다", width)
        assert len(short) == width and short[0] == "가" and short[-1] == "다"
    assert fonts.shorten(None) == "None" and fonts.shorten(7) == "7"
