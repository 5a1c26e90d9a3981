"""load_corpus: 우리 말뭉치의 품질과, 사용자의 파일을 읽을 때의 오류."""

import gzip
import re
import unicodedata
from collections import Counter, defaultdict

import pytest

from labse_helpers import CorpusError, load_challenge, load_corpus

REGISTERS = {"formal", "polite", "casual", "plain"}
LANGUAGES = ["ko", "en", "ja", "zh", "es", "fr", "de", "ru", "ar", "th", "tr", "it"]


def words(sentence: str) -> list[str]:
    return re.findall(r"[\w'’]+", sentence.lower())


# --- 우리 말뭉치 -------------------------------------------------------------------------------


def test_course_is_large_varied_and_clean(course):
    assert len(course) >= 1_000
    assert len(set(course.ids)) == len(course)
    assert len(set(course.topic)) >= 12
    assert min(Counter(course.topic).values()) >= 20
    assert set(course.register) == REGISTERS
    assert min(Counter(course.register).values()) >= 0.1 * len(course)
    for language, sentences in course.texts.items():
        assert len({sentence.lower() for sentence in sentences}) == len(course), language
        for sentence in sentences:
            assert sentence == unicodedata.normalize("NFC", sentence).strip()
            assert "  " not in sentence
            assert "\t" not in sentence
    assert all(re.search("[가-힣]", sentence) for sentence in course.ko)
    assert not any(re.search("[가-힣]", sentence) for sentence in course.en)


def test_course_sentences_spread_in_length(course):
    lengths = sorted(len(sentence.split()) for sentence in course.en)
    assert lengths[0] >= 2
    assert lengths[-1] <= 45
    assert sum(length <= 7 for length in lengths) >= 0.15 * len(course)
    assert sum(length >= 16 for length in lengths) >= 0.15 * len(course)


@pytest.mark.parametrize("language", ["ko", "en"])
def test_course_pairs_hardly_share_word_runs(course, language):
    """단어 네 개가 그대로 이어진 곳을 나누어 가진 문장쌍은 3 % 이하여야 합니다."""
    owners = defaultdict(set)
    for i, sentence in enumerate(course.texts[language]):
        run = words(sentence)
        for start in range(len(run) - 3):
            owners[tuple(run[start : start + 4])].add(i)
    shared = set().union(*(pairs for pairs in owners.values() if len(pairs) > 1))
    assert len(shared) <= 0.03 * len(course), [course.texts[language][i] for i in sorted(shared)]


def test_challenge_set_is_made_of_minimal_pairs():
    items = load_challenge()
    assert len(items) >= 120
    assert len({item.category for item in items}) >= 6
    assert min(Counter(item.category for item in items).values()) >= 10
    assert len({item.id for item in items}) == len(items)
    sentences = [s for item in items for s in (item.ko, item.en, item.ko_foil, item.en_foil)]
    assert len(set(sentences)) == len(sentences)
    assert all(s == unicodedata.normalize("NFC", s).strip() for s in sentences)
    assert {item.category for item in items if item.same_meaning} == {"높임말"}
    assert all(item.note for item in items)


def test_multilingual_is_parallel_and_part_of_course(course):
    corpus = load_corpus("multilingual")
    assert len(corpus) >= 60
    assert corpus.languages == LANGUAGES
    for language, sentences in corpus.texts.items():
        assert len(set(sentences)) == len(corpus), language
        assert all(s == unicodedata.normalize("NFC", s).strip() for s in sentences), language
    assert set(zip(corpus.ko, corpus.en, strict=True)) <= set(zip(course.ko, course.en, strict=True))


def test_messages_are_written_as_people_type(course):
    corpus = load_corpus("messages")
    assert Counter(corpus.topic) == dict.fromkeys(["오타", "코드 믹싱", "생략", "조각", "소문자"], 12)
    assert corpus.languages == ["ko", "en"]
    assert corpus.license == "CC BY 4.0"
    assert set(corpus.register) <= REGISTERS | {""}
    for language, sentences in corpus.texts.items():
        assert len({sentence.lower() for sentence in sentences}) == len(corpus) == 60
        assert all(s == unicodedata.normalize("NFC", s).strip() for s in sentences)
        assert not set(sentences) & set(course.texts[language])
    for pair in corpus:
        assert re.search("[가-힣]", pair.ko)
        assert not re.search("[가-힣]", pair.en)
        assert not re.search("[ㄱ-ㅣ]", pair.ko)  # 초성만 적은 글은 없습니다
        if pair.topic == "코드 믹싱":
            assert re.search("[A-Za-z]{2}", pair.ko), pair
        if pair.topic == "소문자":
            assert pair.en == pair.en.lower(), pair
            assert not re.search("[.,!?']", pair.ko + pair.en), pair


def test_corrected_pairs_stay_corrected(course):
    """한 번 바로잡은 쌍: 뜻이 다른 번역, 거의 같은 문장, 두 곳이 다른 도전 문항."""
    pairs = {pair.id: pair for pair in course}
    assert "tail wagging" not in pairs["course-0775"].en
    assert "문어" in pairs["course-0540"].ko
    assert not any("문어" in pair.ko for pair in course if pair.id != "course-0540")
    assert sum("당근밭" in pair.ko for pair in course) == 1
    items = {item.id: item for item in load_challenge()}
    for name in ("homo-04", "homo-05", "homo-10", "homo-15"):
        first, second = items[name].ko.split(), items[name].ko_foil.split()
        assert len(first) == len(second)
        assert sum(a != b for a, b in zip(first, second, strict=True)) == 1


def test_own_sentences_are_not_in_the_other_corpora(course):
    interface = load_corpus("jupyterlab")
    assert not set(course.ko) & set(interface.ko)
    assert not set(course.en) & set(interface.en)
    challenge = {s for item in load_challenge() for s in (item.ko, item.en, item.ko_foil, item.en_foil)}
    assert not challenge & (set(course.ko) | set(course.en))


def test_jupyterlab_corpus():
    corpus = load_corpus("jupyterlab")
    assert len(corpus) == 2_215
    assert len(set(corpus.en)) == len(corpus)
    assert corpus.license == "BSD-3-Clause"


def test_split_is_stable_and_disjoint(course):
    assert len(course.train) + len(course.test) == len(course)
    assert 0.15 < len(course.test) / len(course) < 0.25
    assert not set(course.train.ids) & set(course.test.ids)
    # 앞의 절반만 있어도 각 쌍의 소속은 같습니다.
    half = course[: len(course) // 2]
    assert set(half.test.ids) == set(half.ids) & set(course.test.ids)


def test_corpus_is_a_small_sequence(course):
    first = course[0]
    assert (first.ko, first.en, first.topic) == (course.ko[0], course.en[0], course.topic[0])
    assert [pair.id for pair in course[:3]] == list(course.ids[:3])
    assert repr(course).startswith(f"Corpus('course', {len(course)}쌍")


# --- 허브의 말뭉치 -----------------------------------------------------------------------------


def test_tatoeba_offline_is_a_clear_error(monkeypatch):
    import huggingface_hub

    def no_network(*args, **kwargs):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", no_network)
    with pytest.raises(CorpusError, match=r"Tatoeba.*load_corpus\('course'\)"):
        load_corpus("tatoeba")


@pytest.mark.parametrize("name", ["test/kor-eng.jsonl.gz", "kor-eng/test.jsonl"])
def test_tatoeba_file_is_read_whatever_its_layout(monkeypatch, tmp_path, name):
    import huggingface_hub

    path = tmp_path / name
    path.parent.mkdir()
    lines = '{"sentence1": "물이 차요.", "sentence2": "The water is cold."}\n'
    lines += '{"sentence1": "It is late.\\n", "sentence2": "늦었어요.\\n"}\n'
    path.write_bytes(gzip.compress(lines.encode()) if name.endswith(".gz") else lines.encode())
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *args, **kwargs: str(tmp_path))
    corpus = load_corpus("tatoeba")
    assert corpus.ko == ["물이 차요.", "늦었어요."]
    assert corpus.en == ["The water is cold.", "It is late."]
    assert corpus.license == "CC BY 2.0 FR"


# --- 사용자의 파일 -----------------------------------------------------------------------------

PAIRS = [
    ("사과가 빨갛다.", "The apple is red."),
    ("하늘이 높다.", "The sky is high."),
    ('"네", 했다.', 'He said, "Yes".'),
]


def write(path, text: str, encoding: str = "utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def as_tsv(pairs=PAIRS, header: str = "", newline: str = "\n") -> str:
    return header + "".join(f"{ko}\t{en}{newline}" for ko, en in pairs)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
@pytest.mark.parametrize("header", ["", "ko\ten\n", "한국어\t영어\n"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_tsv_in_every_encoding(tmp_path, encoding, header, newline):
    corpus = load_corpus(write(tmp_path / "mine.tsv", as_tsv(header=header, newline=newline), encoding))
    assert list(zip(corpus.ko, corpus.en, strict=True)) == PAIRS
    assert corpus.name == "mine"


def test_csv_with_quotes_columns_in_any_order_and_extras(tmp_path):
    text = (
        '주제,영어,메모,한국어,id\n과일,"The apple, red.",x,"사과, 빨간.",a-1\n하늘,"Two\nlines.",,둘.,a-2\n'
    )
    corpus = load_corpus(write(tmp_path / "mine.csv", text, "cp949"))
    assert corpus[0] == ("a-1", "사과, 빨간.", "The apple, red.", "과일")
    assert corpus.en[1] == "Two lines."  # 셀 안의 줄바꿈은 공백이 됩니다


def test_nfd_file_is_normalized(tmp_path):
    corpus = load_corpus(write(tmp_path / "mac.tsv", unicodedata.normalize("NFD", as_tsv())))
    assert corpus.ko == [ko for ko, _ in PAIRS]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("가\ta\n나\n다\tc\td\n", ["2번째 줄: 열이 2개여야 하는데 1개", "3번째 줄: 열이 2개여야 하는데 3개"]),
        ("가\ta\n\tb\n다\t \n", ["2번째 줄: '0번' 열이 비었습니다", "3번째 줄: '1번' 열이 비었습니다"]),
        ("가\ta\n나\tb\n가\ta\n", ["3번째 줄: 1번째 줄과 같습니다"]),
        ("가나\ta\nb\t나다\n다라\tc\n", ["2번째 줄: 다른 줄과 달리"]),
        ("가\t나\n다\t라\n", ["두 열이 모두 한국어"]),
        ("a\tb\n", ["한글이 없습니다"]),
        ("ko\ten\n", ["문장쌍이 없습니다"]),
        ("ko\t뜻\n가\ta\n", ["columns=", "0: 'ko', 1: '뜻'"]),
        ("", ["빈 파일"]),
        ("\n \n", ["빈 파일"]),
    ],
)
def test_broken_rows_are_all_named_and_nothing_is_loaded(tmp_path, text, expected):
    path = write(tmp_path / "broken.tsv", text)
    with pytest.raises(CorpusError) as caught:
        load_corpus(path)
    message = str(caught.value)
    assert str(path) in message
    for phrase in expected:
        assert phrase in message


def test_only_the_first_ten_bad_lines_are_listed(tmp_path):
    path = write(tmp_path / "many.tsv", "가\ta\n" + "열이 하나\n" * 25)
    with pytest.raises(CorpusError, match="25개") as caught:
        load_corpus(path)
    assert str(caught.value).count("번째 줄:") == 10
    assert "그 밖에 15줄" in str(caught.value)


def test_undecodable_lines_are_named(tmp_path):
    path = tmp_path / "bytes.tsv"
    path.write_bytes("가\ta\n".encode() + b"\xff\xfa\tb\n" + "다\tc\n".encode())
    with pytest.raises(CorpusError, match="2번째 줄: UTF-8로 읽을 수 없는"):
        load_corpus(path)


def test_unbalanced_quote_in_csv(tmp_path):
    path = write(tmp_path / "quote.csv", '가,a\n나,"b\n')
    with pytest.raises(CorpusError, match="따옴표"):
        load_corpus(path)


@pytest.mark.parametrize("name", ["없는말뭉치", "Course"])
def test_unknown_name(name):
    with pytest.raises(CorpusError, match="'course', 'multilingual'"):
        load_corpus(name)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(CorpusError, match="열 수 없습니다"):
        load_corpus(tmp_path / "no.tsv")
    with pytest.raises(CorpusError, match="열 수 없습니다"):
        load_corpus(tmp_path)
