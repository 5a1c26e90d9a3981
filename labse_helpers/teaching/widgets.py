"""살아 있는 부분: 손잡이를 움직이거나 글을 고치면 그림과 결과가 따라 바뀝니다(ipywidgets).

커널이 없는 곳(GitHub, 강의 사이트)에서는 처음 모습의 정지 그림이 그 자리에 보입니다.
"""

import base64
import html
import io
from collections.abc import Callable, Sequence

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import display
from sentence_transformers import SentenceTransformer

from ..checks import check_sentences
from ..errors import InputError
from ..search.retriever import Retriever
from ..training.losses import in_batch_negatives_loss
from .plots import CMAP, READABLE, plot_similarity_matrix, use_korean_font

MAX_LAB_SENTENCES = 12
LABEL_WIDTH = 14  # 히트맵의 이름표에 적는 글자의 수


def loss_explorer(source: np.ndarray, target: np.ndarray) -> None:
    """온도, 마진, 배치 크기를 손잡이로 바꾸며 짝을 고를 확률과 손실을 봅니다.

    Args:
        source: 원문의 임베딩 (N, dim). 배치 크기는 2부터 N까지 움직입니다.
        target: 번역의 임베딩 (N, dim). i번째가 ``source[i]``의 번역입니다.

    Raises:
        InputError: 모양이 다르거나 짝이 둘보다 적을 때(``in_batch_negatives_loss``).
    """
    source, target = (torch.as_tensor(x).detach().float().cpu() for x in (source, target))
    in_batch_negatives_loss(source, target)
    scale = _slider(widgets.FloatLogSlider, "배율 s (온도의 역수)", value=20, base=10, min=0, max=2, step=0.05,
                    readout_format=".1f")  # fmt: skip
    margin = _slider(widgets.FloatSlider, "마진 m", value=0.0, min=0.0, max=0.6, step=0.05)
    batch = _slider(widgets.IntSlider, "배치 크기 N", value=min(8, len(source)), min=2, max=len(source))

    def draw() -> bytes:
        n, s, m = batch.value, scale.value, margin.value
        x, y = source[:n], target[:n]
        cosine = torch.nn.functional.normalize(x, dim=1) @ torch.nn.functional.normalize(y, dim=1).T
        probability = torch.softmax(s * (cosine - m * torch.eye(n)), dim=1)
        loss = in_batch_negatives_loss(x, y, scale=s, margin=m).item()
        use_korean_font()  # 그림을 만들기 전에 정해야 글자에 쓰입니다
        figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5.2))
        plot_similarity_matrix(cosine, title="코사인 유사도", ax=left)
        plot_similarity_matrix(
            probability,
            title=f"행마다 고를 확률\n손실 {loss:.3f}, 찍으면 2 log {n} = {2 * np.log(n):.3f}",
            value_range=(0, 1),
            ax=right,
        )
        for ax in (left, right):
            ax.set(xlabel="번역", ylabel="원문")
        return _png(figure)

    controls = [scale, margin, batch]
    _live(controls, controls, lambda: _image(draw(), "유사도 행렬과 그 손실"), {"image/png": draw()})


def sentence_lab(model: SentenceTransformer, sentences: Sequence[str]) -> None:
    """글 상자에 한 줄에 하나씩 적은 문장들의 유사도를, 고치는 대로 히트맵으로 봅니다.

    Args:
        model: ``load_model``이 돌려준 인코더.
        sentences: 처음에 적혀 있을 문장들. 12개까지 볼 수 있습니다.

    Raises:
        InputError: 빈 목록이거나 빈 문장이 있을 때.
    """
    text = widgets.Textarea(
        value="\n".join(check_sentences(list(sentences))),
        rows=9,
        layout=widgets.Layout(width="100%"),
        placeholder="한 줄에 문장 하나. 어느 언어든 괜찮습니다.",
    )

    def scores() -> pd.DataFrame:
        lines = [line.strip() for line in text.value.splitlines() if line.strip()]
        if not 2 <= len(lines) <= MAX_LAB_SENTENCES:
            raise InputError(
                f"문장을 2개에서 {MAX_LAB_SENTENCES}개까지 적어 주십시오. 지금은 {len(lines)}개입니다."
            )
        embeddings = model.encode(lines, convert_to_tensor=True)
        labels = [line if len(line) <= LABEL_WIDTH else line[: LABEL_WIDTH - 1] + "…" for line in lines]
        numbers = [str(i) for i in range(1, len(lines) + 1)]
        return pd.DataFrame(model.similarity(embeddings, embeddings).numpy(force=True), labels, numbers)

    def render() -> str:
        # 적는 대로 따라오도록, 그림 대신 표에 색을 칠합니다. 그림은 여덟 문장에 0.25초가 걸립니다.
        painted = scores().style.background_gradient(CMAP, axis=None, text_color_threshold=READABLE)
        painted = painted.format("{:.2f}").format_index(escape="html").set_properties(padding="0.5em 0.8em")
        return painted.set_uuid(text.model_id).set_table_attributes('class="heatmap"').to_html()

    ax = plot_similarity_matrix(scores(), list(scores().index), list(scores().columns))
    ax.tick_params(axis="x", rotation=0)
    _live([text], [text], render, {"image/png": _png(ax.figure)})


def search_box(retrievers: dict[str, Retriever], query: str) -> None:
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
    scoring = widgets.ToggleButtons(options={"코사인": "cosine", "마진": "margin"}, description="점수")

    def render() -> str:
        retriever = retrievers[where.value]
        hits = retriever.search(text.value, min(top_k.value, len(retriever)), scoring.value)
        return _table_of_hits(hits, scoring.label)

    rows = [where, text, widgets.HBox([top_k, scoring])]
    _live(rows, [where, text, top_k, scoring], render, {"text/html": render()})


def _live(
    rows: list[widgets.Widget],
    controls: list[widgets.Widget],
    render: Callable[[], str],
    still: dict[str, object],
) -> None:
    """``rows`` 아래에 ``render``가 만든 HTML을 두고, ``controls``가 바뀔 때마다 다시 만듭니다."""
    result, message = widgets.HTML(render()), widgets.HTML()

    def update(change: object) -> None:
        try:
            result.value, message.value = render(), ""
        except InputError as error:
            message.value = f'<p role="alert"><strong>{html.escape(str(error))}</strong></p>'

    for control in controls:
        control.observe(update, names="value")
    _display(widgets.VBox([*rows, message, result]), still)


def _display(widget: widgets.Widget, still: dict[str, object]) -> None:
    """위젯을, 커널이 없는 곳에서 보일 정지 그림과 함께 내놓습니다."""
    display({**widget._repr_mimebundle_(), **still}, raw=True)


def _slider(kind: type, description: str, **options: object) -> widgets.Widget:
    return kind(
        description=description,
        style={"description_width": "initial"},
        layout=widgets.Layout(width="min(100%, 520px)"),
        **options,
    )


def _png(figure: plt.Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight")
    plt.close(figure)
    return buffer.getvalue()


def _image(png: bytes, name: str) -> str:
    data = base64.b64encode(png).decode("ascii")
    return f'<img alt="{html.escape(name)}" style="max-width: 100%" src="data:image/png;base64,{data}">'


def _table_of_hits(hits: list, score_name: str) -> str:
    top = max(hit.score for hit in hits)
    rows = "".join(
        f"<tr><td>{i}</td><td>{hit.score:.2f}</td>"
        f"<td>{'█' * round(12 * max(0.0, hit.score) / max(top, 1e-9))}</td>"
        f'<td style="text-align:left">{html.escape(hit.sentence)}</td></tr>'
        for i, hit in enumerate(hits, start=1)
    )
    head = f"<tr><th>등수</th><th>{score_name}</th><th>막대</th><th>문장</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"
