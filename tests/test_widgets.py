"""살아 있는 부분: 손잡이를 움직이면 결과가 바뀌고, 잘못 적으면 말해 주고, 정지 그림이 함께 남는가."""

import ipywidgets
import numpy as np
import pytest

from labse_helpers import InputError, Retriever, loss_explorer, search_box, sentence_lab
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
        (of(ipywidgets.ToggleButtons, box)[0], "margin"),
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
