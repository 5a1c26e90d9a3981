"""위젯: 슬라이더를 움직이거나 글을 고치면 그림과 결과가 따라 바뀝니다(ipywidgets). 사용자의 글은 글자 그대로 보입니다.

커널이 없는 곳(GitHub, 강의 사이트)에서는 처음 모습의 정지 그림이 그 자리에 보입니다.
"""

import base64
import html
import io
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import display
from matplotlib.figure import Figure
from sentence_transformers import SentenceTransformer
from torch import Tensor

from ..checks import check_sentences, clean
from ..encoders.truncation import TruncationWarning
from ..errors import InputError, LabseError
from ..search.retriever import Hit, Retriever
from ..training.losses import in_batch_negatives_loss
from .fonts import ensure_korean_font, shorten
from .plots import CMAP, READABLE, plot_similarity_matrix

MAX_LAB_SENTENCES = 12
LABEL_WIDTH = 20  # 정지 그림의 이름표에 적는 글자의 수
ROW_NAMES = {  # 표의 행 이름은 문장 전체입니다. 앞이 같은 문장끼리도 구별되고, 길면 줄을 바꿉니다
    "selector": "th.row_heading",
    "props": "text-align: left; font-weight: normal; max-width: 24em; white-space: normal; overflow-wrap: anywhere",
}


def loss_explorer(source: np.ndarray | Tensor, target: np.ndarray | Tensor) -> None:
    """스케일(온도의 역수), 마진, 배치 크기를 슬라이더로 바꾸며 정답 쌍의 확률과 손실을 봅니다.

    Args:
        source: 원문의 임베딩 (N, dim). 배치 크기는 2부터 N까지 움직입니다.
        target: 번역의 임베딩 (N, dim). i번째가 ``source[i]``의 번역입니다.

    Raises:
        InputError: 모양이 다르거나 쌍이 둘보다 적을 때(``in_batch_negatives_loss``).
    """
    first, second = (torch.as_tensor(x).detach().float().cpu() for x in (source, target))
    in_batch_negatives_loss(first, second)
    scale = _slider(widgets.FloatLogSlider, "스케일 s (온도의 역수)", value=20, base=10, min=0, max=2, step=0.05,
                    readout_format=".1f")  # fmt: skip
    margin = _slider(widgets.FloatSlider, "마진 m", value=0.0, min=0.0, max=0.6, step=0.05)
    batch = _slider(widgets.IntSlider, "배치 크기 N", value=min(8, len(first)), min=2, max=len(first))

    def draw() -> bytes:
        n, s, m = batch.value, scale.value, margin.value
        x, y = first[:n], second[:n]
        cosine = torch.nn.functional.normalize(x, dim=1) @ torch.nn.functional.normalize(y, dim=1).T
        probability = torch.softmax(s * (cosine - m * torch.eye(n)), dim=1)
        loss = in_batch_negatives_loss(x, y, scale=s, margin=m).item()
        ensure_korean_font()  # 그림을 만들기 전에 정해야 글자에 쓰입니다
        figure = Figure(figsize=(13, 5.2))
        left, right = figure.subplots(1, 2)
        plot_similarity_matrix(cosine, title="코사인 유사도", ax=left)
        plot_similarity_matrix(
            probability,
            title=f"행마다의 확률, 손실 {loss:.3f}\n점수가 모두 같으면 2 log {n} = {2 * np.log(n):.2f}",
            value_range=(0, 1),
            ax=right,
        )
        for ax in (left, right):
            ax.set(xlabel="번역", ylabel="원문")
        return _png(figure)

    controls = [scale, margin, batch]
    _live(controls, controls, lambda: _image(draw(), "유사도 행렬과 그 손실"), {"image/png": draw()})


def sentence_lab(model: SentenceTransformer, sentences: Iterable[str]) -> None:
    """글 상자에 한 줄에 하나씩 적은 문장들의 유사도를, 고치는 대로 히트맵으로 봅니다. 같은 문장을 두 번 적어도 됩니다.

    Args:
        model: ``load_model``이 돌려준 인코더.
        sentences: 처음에 적혀 있을 문장들. 12개까지 볼 수 있습니다.

    Raises:
        InputError: 빈 목록이거나 빈 문장이 있을 때.
    """
    text = widgets.Textarea(
        value="\n".join(check_sentences(sentences)),
        rows=9,
        layout=widgets.Layout(width="100%"),
        placeholder="한 줄에 문장 하나. 어느 언어든 괜찮습니다.",
    )

    def scores() -> tuple[list[str], np.ndarray]:
        lines = [line for line in map(clean, text.value.split("\n")) if line]
        if not 2 <= len(lines) <= MAX_LAB_SENTENCES:
            raise InputError(
                f"문장을 2개에서 {MAX_LAB_SENTENCES}개까지 적어 주십시오. 지금은 {len(lines)}개입니다."
            )
        embeddings = cast(Tensor, model.encode(lines, convert_to_tensor=True))
        return lines, model.similarity(embeddings, embeddings).numpy(force=True)

    # 적는 대로 따라오도록, 그림 대신 표에 색을 칠합니다. 그림은 여덟 문장에 0.25초가 걸립니다.
    lines, values = scores()
    numbers = [str(i) for i in range(1, len(lines) + 1)]
    # U+200E: 오른쪽에서 왼쪽으로 쓰는 문장도 번호는 왼쪽에 둡니다
    names = [f"\u200e{i}. {shorten(line, LABEL_WIDTH)}" for i, line in enumerate(lines, start=1)]
    ax = plot_similarity_matrix(values, names, numbers, value_range=(0, 1))
    ax.tick_params(axis="x", rotation=0)
    still: dict[str, object] = {"image/png": _png(cast(Figure, ax.figure))}
    plt.close(cast(Figure, ax.figure))
    _live([text], [text], lambda: _heatmap(*scores(), text.model_id), still)


def _heatmap(sentences: list[str], scores: np.ndarray, name: str) -> str:
    """색칠한 표. 행과 열은 번호로만 가리키므로 같은 문장이 여럿이어도 됩니다."""
    numbers = range(1, len(sentences) + 1)
    painted: Any = pd.DataFrame(scores, numbers, numbers).style
    painted = painted.background_gradient(CMAP, axis=None, vmin=0, vmax=1, text_color_threshold=READABLE)
    painted = painted.format("{:.2f}").format_index(lambda i: f"{i}. {_text(sentences[i - 1])}")
    painted = painted.set_properties(padding="0.5em 0.8em").set_table_styles([ROW_NAMES])
    return painted.set_uuid(name).set_table_attributes('class="heatmap"').to_html()


def search_box(retrievers: Mapping[str, Retriever], query: str) -> None:
    """검색창: 말뭉치를 고르고, 질의를 적고, 몇 개를 볼지와 점수를 고르면 결과가 바뀝니다.

    Args:
        retrievers: 말뭉치의 이름에서 검색기로. 마진 점수를 쓰려면 ``reference``를 주어 만든 것이어야 합니다.
        query: 처음에 적혀 있을 질의.

    Raises:
        InputError: ``retrievers``가 비었거나 ``query``가 비었을 때.
    """
    if not retrievers:
        raise InputError("retrievers가 비어 있습니다. {이름: Retriever}를 하나 이상 넣어 주십시오.")
    where = widgets.Dropdown(options=list(retrievers), description="말뭉치")
    text = widgets.Text(value=query, description="질의", layout=widgets.Layout(width="100%"))
    top_k = _slider(widgets.IntSlider, "개수", value=5, min=1, max=20)
    scoring = widgets.ToggleButtons(options={"코사인": "cosine", "마진": "ratio"}, description="점수")

    def render() -> str:
        retriever = retrievers[where.value]
        hits = retriever.search(text.value, min(top_k.value, len(retriever)), scoring.value)
        return _table_of_hits(cast(list[Hit], hits), scoring.label)

    rows = [where, text, widgets.HBox([top_k, scoring])]
    _live(rows, [where, text, top_k, scoring], render, {"text/html": render()})


def _live(
    rows: list[widgets.Widget],
    controls: list[widgets.Widget],
    render: Callable[[], str],
    still: dict[str, object],
) -> None:
    """``rows`` 아래에 ``render``가 만든 HTML을 두고, ``controls``가 바뀔 때마다 다시 만듭니다.

    ``render``가 어떤 오류를 내든 멈추지 않고 그 메시지를 보이며, 다음에 바꾸면 다시 따라옵니다. 잘린 문장의 경고도 보입니다.
    """
    result, message = widgets.HTML(render()), widgets.HTML()

    def update(change: object) -> None:
        try:
            with warnings.catch_warnings(
                record=True
            ) as caught:  # 여기서 난 경고는 화면에 나오지 않으므로 옮겨 적습니다
                warnings.simplefilter("always", TruncationWarning)
                result.value = render()
            cut = [str(warning.message) for warning in caught if warning.category is TruncationWarning]
            message.value = "".join(map(_alert, cut))
        except LabseError as error:
            message.value = _alert(str(error))
        except Exception as error:
            message.value = _alert(
                f"예상하지 못한 오류로 결과를 바꾸지 못했습니다({type(error).__name__}: {error}). 입력을 바꾸어 보십시오."
            )

    for control in controls:
        control.observe(update, names="value")
    _display(widgets.VBox([*rows, message, result]), still)


def _display(widget: widgets.Widget, still: dict[str, object]) -> None:
    """위젯을, 커널이 없는 곳에서 보일 정지 그림과 함께 내놓습니다."""
    display({**widget._repr_mimebundle_(), **still}, raw=True)


def _alert(message: str) -> str:
    return f'<p role="alert"><strong>{html.escape(message)}</strong></p>'


def _text(sentence: str) -> str:
    """사용자의 글을 HTML에 글자 그대로 놓습니다. 오른쪽에서 왼쪽으로 쓰는 글도 옆의 번호와 뒤섞이지 않습니다."""
    return f'<span dir="auto">{html.escape(sentence)}</span>'


def _slider(kind: Callable[..., widgets.Widget], description: str, **options: object) -> widgets.Widget:
    return kind(
        description=description,
        style={"description_width": "initial"},
        layout=widgets.Layout(width="min(100%, 520px)"),
        **options,
    )


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight")
    return buffer.getvalue()


def _image(png: bytes, name: str) -> str:
    data = base64.b64encode(png).decode("ascii")
    return f'<img alt="{html.escape(name)}" style="max-width: 100%" src="data:image/png;base64,{data}">'


def _table_of_hits(hits: list[Hit], score_name: str) -> str:
    top = max(hit.score for hit in hits)
    rows = "".join(
        f"<tr><td>{i}</td><td>{hit.score:.2f}</td>"
        f"<td>{'█' * round(12 * max(0.0, hit.score) / max(top, 1e-9))}</td>"
        f'<td style="text-align:left">{_text(hit.sentence)}</td></tr>'
        for i, hit in enumerate(hits, start=1)
    )
    head = f"<tr><th>순위</th><th>{score_name}</th><th>막대</th><th>문장</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"
