"""무엇을 넣어도 지켜지는 성질(hypothesis): 벡터가 나오거나, 우리의 오류가 나거나."""

import csv
import io
import unicodedata

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from labse_helpers import CorpusError, InputError, load_corpus
from labse_helpers.checks import clean
from labse_helpers.tables import read_pairs, read_sentences

any_text = st.text(st.characters(codec=None), max_size=60)  # 서로게이트를 포함한 모든 유니코드
hangul = st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=1, max_size=20)
relaxed = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@relaxed
@given(text=any_text)
def test_any_text_gives_a_unit_vector_or_our_error(model, text):
    try:
        embedding = model.encode(text)
    except InputError:
        return
    assert embedding.shape == (512,)
    assert np.isfinite(embedding).all()
    assert abs(np.linalg.norm(embedding) - 1) < 1e-5


@relaxed
@given(
    texts=st.lists(st.text("가나다라 abc.?!1", min_size=1).filter(str.strip), min_size=2, max_size=12),
    data=st.data(),
)
def test_permuting_the_sentences_permutes_the_vectors(model, texts, data):
    order = data.draw(st.permutations(range(len(texts))))
    embeddings = model.encode(texts)
    permuted = model.encode([texts[i] for i in order])
    assert np.abs(embeddings[list(order)] - permuted).max() < 1e-5


@relaxed
@given(text=st.one_of(hangul, st.text("éàüñçÅ각ố ", min_size=1).filter(str.strip)))
def test_composed_and_decomposed_text_agree(model, text):
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]
    first, second = (model.encode(form) for form in forms)
    assert np.array_equal(first, second)


@relaxed
@given(
    value=st.one_of(
        st.none(), st.integers(), st.floats(), st.binary(), st.lists(st.one_of(st.none(), st.integers(), st.just(" "))),
        st.dictionaries(st.text(), st.text()), st.just(...),
    )
)  # fmt: skip
def test_no_odd_value_gets_past_the_checks(model, value):
    try:
        embeddings = model.encode(value)
    except InputError as error:
        assert any("가" <= letter <= "힣" for letter in str(error))
    else:
        assert isinstance(value, dict)  # 사전은 열쇠(문자열)의 목록으로 읽힙니다
        assert len(embeddings) == len(value)


@relaxed
@given(content=st.binary(max_size=300))
def test_any_file_is_a_corpus_or_our_error(tmp_path, content):
    path = tmp_path / "corpus.tsv"
    path.write_bytes(content)
    try:
        corpus = load_corpus(str(path))
    except CorpusError as error:
        assert "corpus.tsv" in str(error)
    else:
        assert len(corpus.ko) == len(corpus.en) > 0
        assert all(sentence.strip() for sentence in corpus.ko + corpus.en)


korean_piece = st.sampled_from(["물이 차요.", "늦었어요.", "비가 와요.", "표를 샀다.", "도서관이다."])
english_piece = st.sampled_from(["The water is cold.", "It is late", "Rain", "I bought it", "A library"])
awkward = st.sampled_from(
    [
        '"',
        '""',
        "\t",
        "\n",
        "\r\n",
        ",",
        ";",
        ' "a" ',
        "\u2028",
        "\x85",
        "\x0b",
        "\x1c",
        "\u200b",
        "\xa0",
        "\r",
        "😀",
        "",
    ]
)


def sentence(piece):
    return st.builds(lambda first, more: first + "".join(more), piece, st.lists(piece | awkward, max_size=4))


@settings(relaxed, max_examples=400)
@given(
    pairs=st.lists(st.tuples(sentence(korean_piece), sentence(english_piece)), min_size=1, max_size=4, unique=True),
    dialect=st.sampled_from([(".tsv", "\t"), (".csv", ","), (".csv", ";")]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp949", "johab", "utf-16-le", "iso2022_kr"]),
    header=st.sampled_from([None, ("ko", "en"), ("원문", "번역문"), ("kr text", "Eng. side")]),
    swapped=st.booleans(),
)  # fmt: skip
def test_a_written_table_reads_back_as_it_was_or_is_refused(
    tmp_path, pairs, dialect, quoting, end, encoding, header, swapped
):
    """틀리게 읽히는 일이 없는지. 셀 안의 줄바꿈은 공백이 되므로, 이어진 공백은 하나로 세어 비교합니다."""
    suffix, delimiter = dialect
    written = io.StringIO()
    writer = csv.writer(written, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerows([header] if header else [])
    writer.writerows([pair[::-1] if swapped else pair for pair in pairs])
    try:
        content = written.getvalue().encode(encoding)
    except UnicodeEncodeError:
        assume(False)
    path = tmp_path / f"table{suffix}"
    path.write_bytes(content)
    try:
        rows = read_pairs(path)
    except CorpusError as error:
        event("거절")
        assert path.name in str(error)
        return
    event("읽음")
    assert [spaced(row.ko, row.en) for row in rows] == [spaced(ko, en) for ko, en in pairs]


def spaced(*sentences):
    return [" ".join(clean(sentence).split()) for sentence in sentences]


@settings(relaxed, max_examples=60)
@given(
    lines=st.lists(korean_piece, min_size=1, max_size=3),
    encoding=st.sampled_from(
        ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "johab", "iso2022_kr", "utf-7"]
    ),
)
def test_korean_in_an_unsupported_encoding_never_loads_as_something_else(tmp_path, lines, encoding):
    path = tmp_path / "lines.txt"
    path.write_bytes("\n".join(lines).encode(encoding))
    with pytest.raises(CorpusError, match="encoding="):
        read_sentences(path)
    assert read_sentences(path, encoding=encoding).sentences == lines
