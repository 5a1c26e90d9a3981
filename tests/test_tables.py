"""사용자의 파일: 어떻게 적혀 있든 같은 글로 읽히거나, 무엇이 문제인지 말하고 거절합니다. 조용히 틀리게 읽히는 일은 없습니다."""

import csv
import gzip
import json
import lzma
import os
import sys

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labse_helpers import load_corpus
from labse_helpers.checks import clean
from labse_helpers.errors import CorpusError, InputError
from labse_helpers.tables import open_sentences, read_pairs, read_sentences

PAIRS = [
    ("도서관은 월요일에 문을 닫습니다.", "The library is closed on Mondays."),
    ("우산을 두고 오셨어요.", 'He said, "You left your umbrella."'),
    ("표를 두 장 샀습니다.", "I bought two tickets."),
]
KO, EN = [ko for ko, _ in PAIRS], [en for _, en in PAIRS]
TSV = "".join(f"{ko}\t{en}\n" for ko, en in PAIRS)


def pairs_of(path, **options):
    return [(row.ko, row.en) for row in read_pairs(path, **options)]


def write(path, text, encoding="utf-8"):
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


# ---- 헤더와 열


@pytest.mark.parametrize(
    "header",
    ["ko\ten", "KO\tEN", "한국어\t영어", "국문\t영문", "원문\t번역문", "source\ttarget", "src\ttgt", "ko_KR\ten_US", "ko-KR\ten-GB",
     "sentence1\tsentence2", "Korean\tEnglish", "한국어 문장\t영어 문장", "korean_text\tenglish_text", "kor\teng"],
)  # fmt: skip
def test_known_headers_are_columns_and_never_data(tmp_path, header, capsys):
    assert pairs_of(write(tmp_path / "a.tsv", f"{header}\n{TSV}")) == PAIRS
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("header", ["en\tko", "source\ttarget", "ko\ten", "원문\t번역문", ""])
def test_sides_are_decided_by_the_rows(tmp_path, header, capsys):
    swapped = "".join(f"{en}\t{ko}\n" for ko, en in PAIRS)
    path = write(tmp_path / "a.tsv", (header + "\n" if header else "") + swapped)
    assert pairs_of(path) == PAIRS
    assert ("한국어로 읽습니다" in capsys.readouterr().out) == (header != "en\tko")


@pytest.mark.parametrize("header", ["alpha,beta", "col_a,col_b", "kor1x,eng1x"])
def test_unknown_headers_are_asked_about(tmp_path, header):
    rows = "".join(f'{ko},"{en.replace(chr(34), chr(34) * 2)}"\n' for ko, en in PAIRS)
    path = write(tmp_path / "a.csv", f"{header}\n{rows}")
    with pytest.raises(CorpusError, match="columns="):
        read_pairs(path)
    names = tuple(header.split(","))
    assert pairs_of(path, columns=names) == pairs_of(path, columns=names[::-1]) == PAIRS


def test_columns_by_name_and_number_among_many(tmp_path):
    table = pd.DataFrame({"번호": [1, 2, 3], "메모": ["x", "", "y"], "원문": KO, "번역문": EN})
    table.to_csv(tmp_path / "a.csv", index=False, encoding="utf-8-sig")
    for columns in (None, ("원문", "번역문"), (2, 3), ("번역문", 2)):
        assert pairs_of(tmp_path / "a.csv", columns=columns) == PAIRS
    with pytest.raises(CorpusError, match="'없는 열'.*원문"):
        read_pairs(tmp_path / "a.csv", columns=("없는 열", "원문"))
    for wrong in (("원문",), "원문", ("원문", "원문"), (1.5, 2)):
        with pytest.raises((InputError, CorpusError)):
            read_pairs(tmp_path / "a.csv", columns=wrong)
    assert read_sentences(tmp_path / "a.csv", "원문").sentences == KO
    assert read_sentences(tmp_path / "a.csv", 3).sentences == EN
    with pytest.raises(CorpusError, match="열이 4개입니다"):
        read_sentences(tmp_path / "a.csv")


# ---- 인코딩


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp949"])
def test_encodings_with_evidence_load(tmp_path, encoding):
    assert pairs_of(write(tmp_path / "a.tsv", TSV, encoding)) == PAIRS


@pytest.mark.parametrize("encoding", ["johab", "iso2022_kr", "utf-16-le", "utf-16-be", "utf-32-le", "utf-7"])
def test_other_encodings_of_korean_are_named_or_forced_but_never_mojibake(tmp_path, encoding):
    path = write(tmp_path / "a.tsv", TSV, encoding)
    with pytest.raises(CorpusError, match="encoding="):
        read_pairs(path)
    assert pairs_of(path, encoding=encoding) == PAIRS


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("圖書館星期一休息。\n我買了兩張票。\n今天下雨了。\n", "big5"), ("図書館は月曜日に休みます。\n切符を二枚買いました。\n", "shift_jis"),
     ("图书馆星期一休息。\n我买了两张票。\n", "gb18030"), ("Die Bücherei ist größtenteils geschlossen.\nÜber den Straßen\n", "latin-1"),
     ("図書館は月曜日に休みます。\n", "euc_jp")],
)  # fmt: skip
def test_other_languages_in_old_encodings_are_refused(tmp_path, text, encoding):
    path = write(tmp_path / "a.txt", text, encoding)
    with pytest.raises(CorpusError, match="encoding"):
        read_sentences(path)
    assert read_sentences(path, encoding=encoding).sentences == text.split("\n")[:-1]


def test_undecodable_bytes_and_unknown_encodings(tmp_path):
    path = write(tmp_path / "a.txt", "하나입니다.\n".encode() * 3 + b"\xff\xfe\xfa\n")
    with pytest.raises(CorpusError, match="4번째 줄"):
        read_sentences(path)
    with pytest.raises(InputError, match="encoding"):
        read_sentences(path, encoding="없는코덱")
    assert len(read_sentences(path, on_error="skip").sentences) == 3


# ---- 줄의 끝


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_a_line_ends_the_same_way_in_every_system(tmp_path, end, last):
    path = write(tmp_path / "a.txt", end.join(KO) + (end if last else ""))
    assert read_sentences(path) == (KO, [1, 2, 3])
    assert list(open_sentences(path)) == list(enumerate(KO, 1))


@pytest.mark.parametrize("inside", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r"])
def test_nothing_else_ends_a_line(tmp_path, inside):
    path = write(tmp_path / "a.txt", f"앞{inside}뒤\n둘째 줄\n")
    assert read_sentences(path) == (["앞 뒤", "둘째 줄"], [1, 2])


def test_carriage_return_before_the_tab_of_pasted_files(tmp_path):
    path = write(tmp_path / "a.tsv", "".join(f"{ko}\r\t{en}\r\n" for ko, en in PAIRS))
    assert pairs_of(path) == PAIRS


# ---- 따옴표


@pytest.mark.parametrize("sep", ["\t", ",", ";"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_tables_as_pandas_writes_them(tmp_path, sep, quoting):
    broken = [*PAIRS, ("줄이\n바뀌고 쉼표, 탭\t이 있습니다.", 'She wrote "a;b,c" twice.')]
    path = tmp_path / ("a.tsv" if sep == "\t" else "a.csv")
    pd.DataFrame(broken, columns=["ko", "en"]).to_csv(path, sep=sep, index=False, quoting=quoting)
    assert pairs_of(path) == [(clean(ko), clean(en)) for ko, en in broken]


@pytest.mark.parametrize(
    "raw", ['"따옴표로 시작하는 문장', '그는 "네"라고 했습니다.', '"처음"과 "끝"', '5" 화면']
)
def test_raw_quotes_of_a_tsv_stay(tmp_path, raw):
    path = write(tmp_path / "a.tsv", f"{raw}\tHe said yes.\n표를 샀습니다.\tI bought it.\n")
    assert pairs_of(path)[0] == (raw, "He said yes.")


def test_an_open_quote_never_swallows_the_file(tmp_path):
    path = write(tmp_path / "a.csv", '가나,a\n다라,"b\n마바,c\n')
    with pytest.raises(CorpusError, match=":2: 따옴표"):
        read_pairs(path)


def test_line_numbers_are_the_editors(tmp_path):
    path = write(tmp_path / "a.csv", 'ko,en\n"두 줄에\n걸친 글",one\n\n,two\n표,three\n')
    with pytest.raises(CorpusError, match="5번째 줄: 'ko' 열이 비었습니다"):
        read_pairs(path)
    assert [row.line for row in read_pairs(path, on_error="skip")] == [2, 6]


cells = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cn", "Co")) | st.sampled_from('"\t\n,;'), min_size=1, max_size=12
).filter(clean)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(st.lists(cells, min_size=1, max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_whatever_pandas_writes_reads_back_or_is_refused(tmp_path_factory, sentences, end):
    path = tmp_path_factory.mktemp("p") / "a.csv"
    # 앞에 놓은 문장은 인코딩의 증거입니다
    table = pd.DataFrame({"ko": [*KO, *sentences], "en": [*EN, *sentences]})
    table.to_csv(path, index=False, lineterminator=end, quoting=csv.QUOTE_ALL)
    try:
        found = read_sentences(path, "ko", on_error="skip").sentences
    except CorpusError as error:
        assert "깨진 채" in str(error)  # 깨진 한글과 글자가 똑같은 글은 거절해도 됩니다
    else:
        assert found == [*KO, *map(clean, sentences)]


# ---- 다른 형식


@pytest.mark.parametrize(("suffix", "opener"), [(".gz", gzip.open), (".xz", lzma.open)])
def test_compressed_tables(tmp_path, suffix, opener):
    path = tmp_path / f"a.tsv{suffix}"
    with opener(path, "wt", encoding="utf-8", newline="") as file:
        file.write(TSV)
    assert pairs_of(path) == PAIRS
    for broken in (path.read_bytes()[:-6], b"not compressed"):
        path.write_bytes(broken)
        with pytest.raises(CorpusError, match="압축|파일이 아닙니다"):
            read_pairs(path)


def test_json_lines_excel_tmx_and_two_files(tmp_path):
    lines = "".join(json.dumps({"id": i, "ko": ko, "en": en}) + "\n" for i, (ko, en) in enumerate(PAIRS))
    assert pairs_of(write(tmp_path / "a.jsonl", lines)) == PAIRS
    with pytest.raises(CorpusError, match="2번째 줄: 올바른 JSON"):
        read_pairs(write(tmp_path / "b.jsonl", lines.replace('{"id": 1', '"id": 1')))
    pd.DataFrame(PAIRS, columns=["국문", "영문"]).to_excel(tmp_path / "a.xlsx", index=False)
    assert pairs_of(tmp_path / "a.xlsx") == PAIRS
    units = "".join(
        f'<tu><tuv xml:lang="ko"><seg>{ko}</seg></tuv><tuv xml:lang="en"><seg>{en}</seg></tuv></tu>'
        for ko, en in PAIRS
    )
    tmx = f'<?xml version="1.0"?><tmx version="1.4"><header/><body>{units}</body></tmx>'
    assert pairs_of(write(tmp_path / "a.tmx", tmx)) == PAIRS
    bomb = tmx.replace("<tmx ", '<!DOCTYPE tmx [<!ENTITY a "aaaa">]><tmx ')
    with pytest.raises(CorpusError, match="개체"):
        read_pairs(write(tmp_path / "b.tmx", bomb))
    sides = [write(tmp_path / f"a.{side}", "\n".join(text) + "\n") for side, text in (("ko", KO), ("en", EN))]
    assert pairs_of(tuple(sides)) == pairs_of(tuple(sides[::-1])) == PAIRS
    assert load_corpus(tuple(sides)).en == EN
    with pytest.raises(CorpusError, match="3줄.*2줄"):
        read_pairs((sides[0], write(tmp_path / "short.en", "\n".join(EN[:2]) + "\n")))


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.xls", b"x"), ("a.docx", b"x"), ("a.hwp", b"x"), ("a.parquet", b"PAR1"), ("a.zip", b"PK\x03\x04"), ("a.json", b"[]"),
     ("a.csv", b"PK\x03\x04junk"), ("a.tsv", gzip.compress(b"x", mtime=0)), ("a.txt", b"%PDF-1.7"), ("a.csv.gz", b"%PDF-1.7"),
     ("a.txt", b"\x00\x01\x02\x00" * 50), ("a.xlsx", b"junk")],
)  # fmt: skip
def test_what_is_not_read_is_refused_by_name(tmp_path, name, content):
    with pytest.raises(CorpusError, match=name.replace(".", r"\.")):
        read_sentences(write(tmp_path / name, content))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="FIFO가 없습니다")
def test_pipes_folders_and_missing_files_are_refused_before_reading(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, tmp_path / "없음.txt", "-", "/dev/null"):
        with pytest.raises(CorpusError):
            read_sentences(path)


# ---- 잘못된 줄


@pytest.mark.parametrize("bad", ["\u200b", "\u3164\xad", "\ufeff\u2060"])
def test_invisible_lines_are_named_or_skipped_and_kept_in_a_file(tmp_path, bad, capsys):
    path = write(tmp_path / "a.txt", f"{KO[0]}\n{bad}\n{KO[1]}\n")
    with pytest.raises(CorpusError, match="2번째 줄"):
        read_sentences(path)
    assert read_sentences(path, on_error="skip") == (KO[:2], [1, 3])
    assert "잘못된 줄 1개를 건너뛰고" in capsys.readouterr().out
    report = (tmp_path / "a.txt.skipped.tsv").read_text(encoding="utf-8").split("\n")
    assert report[0] == "line\treason\ttext"
    assert report[1].startswith("2\t")


def test_blank_lines_mean_the_same_but_encoding_asks(tmp_path):
    path = write(tmp_path / "a.txt", f"{KO[0]}\n \n{KO[1]}\n\n\n")
    assert read_sentences(path) == (KO[:2], [1, 3])
    with pytest.raises(CorpusError, match="2번째 줄: 빈 줄"):
        open_sentences(path).check(show_progress_bar=False)
    assert open_sentences(path, on_error="skip").check(show_progress_bar=False) == 2


def test_duplicates_empty_cells_and_widths_of_noisy_corpora(tmp_path):
    noisy = TSV + f"{KO[0]}\t{EN[0]}\n\tonly English\n한국어뿐입니다.\t\n열이 하나\n{KO[1]}\tAnother one.\n"
    path = write(tmp_path / "a.tsv", noisy)
    with pytest.raises(CorpusError, match="4개") as caught:
        read_pairs(path)
    for line in (4, 5, 6, 7):
        assert f"{line}번째 줄" in str(caught.value)
    assert pairs_of(path, on_error="skip") == [*PAIRS, (KO[1], "Another one.")]


# ---- 조용히 틀리기 쉬운 것들


@pytest.mark.parametrize(
    "names",
    [("질문 내용입니다.", "English side."), ("가", "나"), ("국어 시간에 쓴 것", "옮긴 것")],
)
def test_a_header_chosen_by_name_is_never_data(tmp_path, names):
    path = write(tmp_path / "a.tsv", "\t".join(names) + "\n" + TSV)
    assert pairs_of(path, columns=names) == PAIRS
    assert read_sentences(path, names[0]).sentences == KO


@pytest.mark.parametrize("first", [("영어", "English"), ("한국어", "Korean"), ("영문", "eng")])
def test_a_list_of_languages_is_asked_about_and_keeps_its_first_row(tmp_path, first, capsys):
    path = write(tmp_path / "a.tsv", "\t".join(first) + "\n" + TSV)
    with pytest.raises(CorpusError, match=r"columns=\(0, 1\)"):
        read_pairs(path)
    assert pairs_of(path, columns=(0, 1)) == [first, *PAIRS]
    assert "첫 줄" in capsys.readouterr().out


@pytest.mark.parametrize(
    "header", ["국문번역\tEnglishText", "korean_source\ten translation", "한글원문\t영어번역"]
)
def test_compound_names_are_headers(tmp_path, header):
    assert pairs_of(write(tmp_path / "a.tsv", f"{header}\n{TSV}")) == PAIRS


@pytest.mark.parametrize("header", ["ko\ten", "원문\t번역문", "id\tsentence\tscore"])
def test_a_table_named_as_text_is_asked_about(tmp_path, header):
    path = write(tmp_path / "a.txt", f"{header}\n" + "\t".join(["x"] * len(header.split("\t"))) + "\n")
    with pytest.raises(CorpusError, match="column"):
        read_sentences(path)
    assert read_sentences(path, 0).sentences == ["x"]


@pytest.mark.parametrize("word", ["철책", "창천", "책 철책"])
def test_a_short_cp949_word_that_is_also_utf8_is_asked_about(tmp_path, word):
    path = write(tmp_path / "a.txt", word, "cp949")
    path.read_bytes().decode("utf-8")  # UTF-8로도 풀립니다
    with pytest.raises(CorpusError, match="encoding='cp949'"):
        read_sentences(path)
    assert read_sentences(path, encoding="cp949").sentences == [word]


@pytest.mark.parametrize("text", ["déjà vu\nà la carte", "Größe\nÜbermut", "señor\nmañana"])
def test_latin_utf8_is_not_taken_for_korean(tmp_path, text):
    assert read_sentences(write(tmp_path / "a.txt", text)).sentences == text.split("\n")


@pytest.mark.parametrize("wrong", ["latin-1", "cp1252"])
@pytest.mark.parametrize(
    "rows", ["나는 사람이다", "하나 사고 나가자\n\n사람이 가다", "ko\ten\n나는 사람이다\tI am"]
)
def test_text_saved_broken_is_refused(tmp_path, wrong, rows):
    # CP1252에 없는 바이트는 웹 브라우저처럼 그 번호의 제어 문자로 둡니다
    broken = "".join(bytes([b]).decode(wrong, "ignore") or chr(b) for b in rows.encode())
    path = write(tmp_path / "a.txt", broken)
    with pytest.raises(CorpusError, match="깨진 채"):
        read_sentences(path, 0)


@pytest.mark.parametrize(
    "text",
    ['ko\ten\n"첫 줄\n둘째 줄"\tEnglish one.\n그는 "네" 했다.\tHe said yes.\n', '가\tx\n"앞\n뒤"\tone\n5" 화면\n그는 "네" 했다.\tHe said yes.\n',
     '그는 "네" 했다.\tHe said yes.\n끝\t"half\nother"\n'],
)  # fmt: skip
def test_half_a_quoted_cell_is_never_a_sentence(tmp_path, text):
    got = pairs_of(write(tmp_path / "a.tsv", text), on_error="skip")
    halves = {'"첫 줄', '둘째 줄"', '"앞', '뒤"', '"half', 'other"'}
    assert not halves & {cell for pair in got for cell in pair}
    assert ('그는 "네" 했다.', "He said yes.") in got


def test_a_delimiter_that_could_be_either_is_asked_about(tmp_path):
    rows = "물이 차요;The water is cold, really\n늦었어요;It is late, sorry\n"
    with pytest.raises(CorpusError, match="쌍반점"):
        read_pairs(write(tmp_path / "a.csv", rows))
    assert pairs_of(write(tmp_path / "b.csv", f"ko;en\n{rows}"))[1] == ("늦었어요", "It is late, sorry")
    sentences = "물이 차요; 정말\n늦었어요\n비가 와요\n표를 샀다\n"
    assert len(read_sentences(write(tmp_path / "c.csv", sentences)).sentences) == 4


@pytest.mark.parametrize(
    ("line", "reason"),
    [('{"ko": "\\ud800물", "en": "x"}', "서로게이트"), ('{"ko": "물"}', "비었습니다"), ('{"ko": ["물"], "en": "x"}', "글이 아닙니다"), ("[1, 2]", "올바른 JSON")],
)  # fmt: skip
def test_odd_json_lines_are_named(tmp_path, line, reason):
    rows = "".join(json.dumps({"ko": ko, "en": en}) + "\n" for ko, en in PAIRS)
    with pytest.raises(CorpusError, match=f"1번째 줄: .*{reason}"):
        read_pairs(write(tmp_path / "a.jsonl", f"{line}\n{rows}"))
    assert pairs_of(write(tmp_path / "a.jsonl", f"{line}\n{rows}"), on_error="skip") == PAIRS


def test_xlsx_without_openpyxl_says_what_to_install(tmp_path, monkeypatch):
    pd.DataFrame({"ko": ["안녕하세요"], "en": ["Hello"]}).to_excel(tmp_path / "t.xlsx", index=False)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(CorpusError, match=r"t\.xlsx.*`pip install openpyxl`.*CSV UTF-8"):
        read_sentences(tmp_path / "t.xlsx", "ko")


@pytest.mark.parametrize("said", ["sep=;", '"sep=;"', "SEP=;"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_line_that_tells_excel_the_delimiter_is_followed(tmp_path, said, end, capsys):
    rows = ["ko;en", *(f"{ko};{en}" for ko, en in PAIRS[::2])]
    path = write(tmp_path / "a.csv", end.join([said, *rows]))
    assert pairs_of(path) == PAIRS[::2]
    assert read_sentences(path, "ko").lines == [3, 4]
    assert "구분 문자를 알리는 줄" in capsys.readouterr().out


@pytest.mark.parametrize("extra", [",", ",,,", ',"",'])
def test_empty_cells_at_the_end_of_a_row_do_not_matter(tmp_path, extra):
    path = write(tmp_path / "a.csv", f"ko,en\n물이 차요,The water is cold{extra}\n비가 와요,It rains\n")
    assert pairs_of(path) == [("물이 차요", "The water is cold"), ("비가 와요", "It rains")]
    assert read_sentences(path, "en").sentences == ["The water is cold", "It rains"]
    with pytest.raises(CorpusError, match="2번째 줄: 열이 2개여야 하는데 3개"):
        read_pairs(write(tmp_path / "b.csv", "ko,en\n물이 차요,The water is cold,more\n비가 와요,It rains\n"))


@pytest.mark.parametrize("columns", [(0, 1), ("alpha", 1)])
def test_reading_an_unknown_header_as_data_is_said_once(tmp_path, columns, capsys):
    path = write(tmp_path / "a.csv", "alpha,beta\n물이 차요,The water is cold\n비가 와요,It rains\n")
    got = pairs_of(path, columns=columns)
    assert capsys.readouterr().out.count("첫 줄") == (columns == (0, 1))
    assert len(got) == 2 + (columns == (0, 1))
