"""위젯: 슬라이더를 움직이면 결과가 바뀌고, 잘못 적으면 말해 주고, 사용자의 글은 글자 그대로이며, 정지 그림이 함께 남는가."""

import html
import re
import warnings

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from labse_helpers import (
    Hit,
    InputError,
    ModelUnavailableError,
    Retriever,
    loss_explorer,
    search_box,
    sentence_lab,
)
from labse_helpers.checks import clean
from labse_helpers.encoders.truncation import TruncationWarning
from labse_helpers.teaching import widgets as module


@pytest.fixture()
def shown(monkeypatch):
    """화면에 내놓은 것: (위젯, 정지 그림의 사전)."""
    displayed = []
    monkeypatch.setattr(module, "_display", lambda widget, still: displayed.append((widget, still)))
    return displayed


def of(kind, widget):
    found = [widget] if isinstance(widget, kind) else []
    return found + [w for child in getattr(widget, "children", ()) for w in of(kind, child)]


def test_sliders_redraw_the_matrix(shown):
    vectors = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    loss_explorer(vectors, vectors[:, ::-1].copy())
    [(box, still)] = shown
    assert still["image/png"].startswith(b"\x89PNG")
    _, picture = of(ipywidgets.HTML, box)
    sliders = [w for w in box.children if hasattr(w, "min")]
    seen = {picture.value}
    for slider, value in zip(sliders, (50.0, 0.3, 4), strict=True):
        slider.value = value
        seen.add(picture.value)
    assert len(seen) == 4
    assert 'alt="유사도 행렬과 그 손실"' in picture.value


def test_typed_sentences_redraw_and_bad_input_is_said(shown, model):
    sentence_lab(model, ["창문을 열어 주세요.", "Open the window, please."])
    [(box, _)] = shown
    [text] = of(ipywidgets.Textarea, box)
    message, table = of(ipywidgets.HTML, box)
    before = table.value
    text.value = "한 줄뿐"
    assert "지금은 1개" in message.value
    assert table.value == before
    text.value = "한 줄\n\n<b>두 줄</b>\n" + "긴 " * 300
    assert message.value == ""
    assert table.value != before
    assert "&lt;b&gt;두 줄" in table.value and table.value.count("1.00") == 3
    with pytest.raises(InputError):
        sentence_lab(model, [])


def rows_of(table: str) -> list[str]:
    """표의 행 이름에 보이는 글."""
    rows = re.findall(r"<th[^>]*row_heading[^>]*>(.*?)</th>", table, re.DOTALL)
    return [html.unescape(re.sub("<[^>]*>", "", row)) for row in rows]


@pytest.mark.parametrize(
    "lines",
    [
        ["같은 문장입니다.", "같은 문장입니다.", "같은 문장입니다."],
        ["철수가 영희를 어제 학교에서 만났다.", "철수가 영희를 어제 학교에서 때렸다."],
        ["가" * 200 + "나", "가" * 200 + "다"],
        ["$5 to $9", "$5_$"],
        ["<b>굵게</b> &amp; <script>", "</table><img src=x onerror=alert(1)>"],
        ["{0} %s \\n {{}}", "nan"],
        ["مرحبا بالعالم", "שלום 123", "\U0001f642 웃음"],
        ["줄을 나누는 글자\u2028가 든 문장", "쪽을 나누는 글자\x0c가 든 문장"],
    ],
)
def test_sentence_lab_follows_any_sentences(lines, shown, model):
    sentence_lab(model, ["창문을 열어 주세요.", "Open the window, please."])
    [(box, _)] = shown
    [text] = of(ipywidgets.Textarea, box)
    message, table = of(ipywidgets.HTML, box)
    text.value = "\n".join(lines)
    assert message.value == ""
    expected = [f"{i}. {clean(line)}" for i, line in enumerate(lines, start=1)]
    assert rows_of(table.value) == expected
    assert "<script" not in table.value and "<img" not in table.value and "<b>" not in table.value
    text.value += "\n한 줄 더"  # 얼어붙지 않았습니다
    assert len(rows_of(table.value)) == len(lines) + 1


@pytest.mark.parametrize("lines", [["같은 문장", "같은 문장"], ["$5_$", "$x"], ["\U0001f642", "\U00012000"]])
def test_sentence_lab_opens_with_any_sentences(lines, shown, model):
    sentence_lab(model, lines)
    [(box, still)] = shown
    assert still["image/png"].startswith(b"\x89PNG")
    assert len(rows_of(of(ipywidgets.HTML, box)[1].value)) == 2


@pytest.mark.parametrize("kind", ["list", "tuple", "series", "generator", "array"])
def test_sentence_lab_takes_any_iterable(kind, shown, model):
    lines = ["하나", "둘", "셋"]
    sentence_lab(
        model,
        {
            "list": lines,
            "tuple": tuple(lines),
            "series": pd.Series(lines, index=[5, 5, 0]),
            "generator": (line for line in lines),
            "array": np.array(lines),
        }[kind],
    )
    [(box, _)] = shown
    assert of(ipywidgets.Textarea, box)[0].value == "하나\n둘\n셋"


class Failing:
    """처음에는 되다가 정한 오류를 내는 검색기."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error

    def __len__(self) -> int:
        return 30

    def search(self, query, top_k, scoring):
        if self.error is not None:
            raise self.error
        return [Hit(f"{query}에 답합니다 {i}", 1 - i / 10, i) for i in range(top_k)]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("메모리가 <모자랍니다>"),
        KeyError("없는 열쇠"),
        ZeroDivisionError(),
        ModelUnavailableError("인코더가 <없습니다>."),
    ],
)
def test_unexpected_error_is_shown_and_the_live_part_goes_on(error, shown):
    retriever = Failing()
    search_box({"말뭉치": retriever}, "질의")
    [(box, _)] = shown
    message, results = of(ipywidgets.HTML, box)
    [text] = of(ipywidgets.Text, box)
    before, retriever.error = results.value, error
    text.value = "다른 질의"
    assert 'role="alert"' in message.value
    assert results.value == before
    if isinstance(error, ModelUnavailableError):
        assert "인코더가 &lt;없습니다&gt;." in message.value and "예상하지" not in message.value
    else:
        assert "예상하지 못한 오류" in message.value and type(error).__name__ in message.value
        assert html.escape(str(error)) in message.value
    retriever.error = None
    text.value = "또 다른 질의"
    assert message.value == "" and "또 다른 질의에 답합니다" in results.value


def test_cut_sentence_is_said(shown, monkeypatch):
    retriever = Failing()
    search_box({"말뭉치": retriever}, "질의")
    [(box, _)] = shown
    message, results = of(ipywidgets.HTML, box)
    [text] = of(ipywidgets.Text, box)

    def cutting(query, top_k, scoring):
        warnings.warn("문장 1개가 <잘렸습니다>.", TruncationWarning, stacklevel=1)
        warnings.warn("internal detail", UserWarning, stacklevel=1)
        return [Hit(query, 1.0, 0)]

    monkeypatch.setattr(retriever, "search", cutting)
    text.value = "긴 질의"
    assert "문장 1개가 &lt;잘렸습니다&gt;." in message.value and "internal" not in message.value
    assert "긴 질의" in results.value


@pytest.mark.parametrize("name", ["$5 to $9", "<b>굵게</b>", "{0} %s", "a\\_b^c"])
def test_search_box_shows_text_as_it_is(name, shown):
    search_box({name: Failing()}, name)
    [(box, still)] = shown
    assert html.escape(f"{name}에 답합니다 0") in still["text/html"]
    assert "<b>" not in still["text/html"]
    assert of(ipywidgets.Dropdown, box)[0].value == name


def test_search_box_follows_every_control(shown, model, course):
    sides = {
        "영어": Retriever(course.en[:80], model, reference=course.ko[:80]),
        "<한국어>": Retriever(course.ko[:3], model, reference=course.en[:80], k=2),
    }
    search_box(sides, course.ko[0])
    [(box, still)] = shown
    message, results = of(ipywidgets.HTML, box)
    assert results.value.count("<tr>") == 1 + 5
    assert still == {"text/html": results.value}
    seen = [results.value]
    [text] = of(ipywidgets.Text, box)
    for control, value in (
        (of(ipywidgets.ToggleButtons, box)[0], "ratio"),
        (of(ipywidgets.IntSlider, box)[0], 9),
        (text, "<script>alert(1)</script>"),
        (of(ipywidgets.Dropdown, box)[0], "<한국어>"),
        (text, "   "),
    ):
        control.value = value
        seen.append(results.value + message.value)
    assert len(set(seen)) == len(seen)
    assert "<script>" not in "".join(seen)
    assert seen[4].count("<tr>") == 1 + 3  # 후보가 셋뿐인 말뭉치
    assert "빈" in message.value
    with pytest.raises(InputError):
        search_box({}, "질의")


def test_still_picture_goes_with_the_widget(monkeypatch):
    sent = []
    monkeypatch.setattr(module, "display", lambda data, raw: sent.append(data))
    module._display(ipywidgets.HTML("글"), {"image/png": b"png"})
    assert {"application/vnd.jupyter.widget-view+json", "image/png"} <= sent[0].keys()


def test_no_figure_is_left_open(shown, model):
    plt.close("all")
    vectors = np.eye(3, dtype=np.float32)
    loss_explorer(vectors, vectors)
    sentence_lab(model, ["하나", "둘"])
    for slider in of(ipywidgets.IntSlider, shown[0][0]):
        slider.value = 2
    assert plt.get_fignums() == []
