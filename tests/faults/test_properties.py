"""무엇을 넣어도 지켜지는 성질(hypothesis): 벡터가 나오거나, 우리의 오류가 나거나."""

import unicodedata

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labse_helpers import CorpusError, InputError, load_corpus

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
