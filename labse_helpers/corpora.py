"""말뭉치: 번역쌍을 형 하나(:class:`Corpus`)로 불러옵니다."""

import gzip
import importlib.util
import json
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from .checks import check_choice, check_real, clean
from .errors import CorpusError, InputError
from .tables import OnError, read_pairs

DATA = files("labse_helpers") / "data"
TATOEBA = "mteb/tatoeba-bitext-mining"


class Pair(NamedTuple):
    """번역쌍 하나."""

    id: str
    ko: str
    en: str
    topic: str


@dataclass(frozen=True)
class Corpus:
    """i번째 문장끼리 번역인 말뭉치. ``len``, 색인, 조각(slice), 반복을 쓸 수 있습니다.

    Attributes:
        name: 말뭉치 이름.
        ids: 문장쌍의 이름 N개.
        texts: 언어 부호에서 문장 N개로. 한국어 ``"ko"``와 영어 ``"en"``은 늘 있습니다.
        topic: 주제 N개. 없으면 빈 문자열입니다.
        register: 한국어의 말투 N개(``formal`` 합니다체, ``polite`` 해요체, ``casual`` 반말, ``plain`` 문어체).
            모르면 빈 문자열입니다.
        license: 라이선스.
    """

    name: str
    ids: tuple[str, ...]
    texts: dict[str, tuple[str, ...]]
    topic: tuple[str, ...]
    register: tuple[str, ...]
    license: str = ""

    @property
    def ko(self) -> list[str]:
        """한국어 문장 N개."""
        return list(self.texts["ko"])

    @property
    def en(self) -> list[str]:
        """영어 문장 N개."""
        return list(self.texts["en"])

    @property
    def languages(self) -> list[str]:
        """담긴 언어의 부호."""
        return list(self.texts)

    @property
    def train(self) -> "Corpus":
        """학습용 부분(약 80 %)."""
        return self.select([i for i in range(len(self)) if not self._is_test(i)])

    @property
    def test(self) -> "Corpus":
        """평가용 부분(약 20 %)."""
        return self.select([i for i in range(len(self)) if self._is_test(i)])

    def select(self, indices: list[int]) -> "Corpus":
        """주어진 번호의 문장쌍만 담은 새 말뭉치를 돌려줍니다."""

        def pick(values: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(values[i] for i in indices)

        return Corpus(
            name=self.name,
            ids=pick(self.ids),
            texts={language: pick(sentences) for language, sentences in self.texts.items()},
            topic=pick(self.topic),
            register=pick(self.register),
            license=self.license,
        )

    def _is_test(self, i: int) -> bool:
        """문장쌍 자신의 내용으로만 정해집니다. 다른 쌍이 늘거나 순서가 바뀌어도 소속은 그대로입니다."""
        return zlib.crc32(f"{self.texts['ko'][i]}\t{self.texts['en'][i]}".encode()) % 5 == 0

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return self.select(list(range(len(self)))[index])
        return Pair(self.ids[index], self.texts["ko"][index], self.texts["en"][index], self.topic[index])

    def __iter__(self) -> Iterator[Pair]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"Corpus({self.name!r}, {len(self)}쌍, 언어 {' '.join(self.languages)})"


@dataclass(frozen=True)
class ChallengeItem:
    """한 곳만 다른 두 문장과 그 번역. 임베딩이 어디서 헷갈리는지 봅니다.

    Attributes:
        id: 이름.
        category: 범주(부정, 숫자, 이름 …).
        same_meaning: True면 ``foil``이 뜻은 같고 말투만 다른 문장, False면 한 곳이 다른 틀린 짝입니다.
        ko, en: 서로 번역인 두 문장.
        ko_foil, en_foil: 서로 번역인 다른 두 문장.
        note: 무엇이 다른지.
    """

    id: str
    category: str
    same_meaning: bool
    ko: str
    en: str
    ko_foil: str
    en_foil: str
    note: str


def load_corpus(
    name: str | Path | tuple[str | Path, str | Path] = "course",
    columns: tuple[str | int, str | int] | None = None,
    encoding: str | None = None,
    on_error: OnError = "raise",
) -> Corpus:
    """번역쌍 말뭉치를 불러옵니다. 사용자의 파일에서 읽은 문장은 :func:`~labse_helpers.checks.clean`을 거칩니다.

    Args:
        name: 다음 가운데 하나.

            - ``"course"``: 이 강의를 위해 직접 쓴 한국어–영어 문장쌍(CC BY 4.0).
            - ``"multilingual"``: ``"course"``의 일부를 여러 언어로 옮긴 것(CC BY 4.0).
            - ``"messages"``: 메신저와 게시판에 적는 대로 쓴 한국어–영어 60쌍(CC BY 4.0). 주제는 ``오타``, ``코드 믹싱``(한 문장에 두
              언어), ``생략``, ``조각``(문장이 아닌 구), ``소문자``(소문자로만, 문장 부호 없이) 가운데 하나입니다. 두 언어 모두 그렇게 적었습니다.
            - ``"jupyterlab"``: JupyterLab 화면의 영어–한국어 문구 2,215쌍(BSD-3-Clause).
            - ``"tatoeba"``: 허브에서 받는 Tatoeba 한국어–영어 평가쌍(CC BY 2.0 FR).
            - 파일 경로: 자기 CSV, TSV, JSON Lines, 엑셀(.xlsx), TMX. 표는 ``.gz``·``.xz``·``.bz2``여도 됩니다.
            - 경로 둘 ``(한국어.txt, 영어.txt)``: 같은 줄끼리 번역인 두 글 파일.
        columns: 파일에서 읽을 두 열의 이름이나 번호(0부터). None이면 헤더(``ko``, ``영어``, ``원문``, ``source`` …)에서 알아보고,
            헤더가 없으면 두 열이어야 합니다. 어느 열이 한국어인지는 글을 보고 정합니다.
        encoding: 파일의 인코딩. None이면 파일 전체를 보고 정합니다.
        on_error: 잘못된 줄이 있을 때 ``"raise"``면 오류, ``"skip"``이면 건너뛰고 그 줄들을 입력 옆의 파일에 적습니다.

    Raises:
        CorpusError: 파일이 없거나, 열을 정할 수 없거나, 잘못된 줄이 있을 때. 줄 번호(1부터)를 열까지 알려 줍니다.
        InputError: 다른 인자가 쓸 수 없는 값일 때.
        OutputError: 건너뛴 줄을 적을 곳이 없을 때.
    """
    own = {
        "course": lambda: _read_own("course.tsv", "course"),
        "multilingual": lambda: _read_own("multilingual.tsv", "multilingual"),
        "messages": lambda: _read_own("messages.tsv", "messages"),
        "jupyterlab": _load_jupyterlab,
        "tatoeba": _load_tatoeba,
    }
    if isinstance(name, str) and name in own:
        return own[name]()
    if not isinstance(name, (str, Path, tuple, list)):
        raise InputError(f"말뭉치의 이름이나 파일의 경로를 넣어 주십시오. {name!r:.40}이(가) 왔습니다.")
    if isinstance(name, str) and not Path(name).suffix and not Path(name).exists():
        raise CorpusError(
            f"{name!r}라는 말뭉치를 모릅니다. {', '.join(map(repr, own))} 또는 있는 파일의 경로를 넣어 주십시오."
        )
    rows = read_pairs(name, columns, encoding=encoding, on_error=on_error)
    label = Path(name[0] if isinstance(name, (tuple, list)) else name).name.partition(".")[0]
    return _from_pairs(label, [(row.id or f"line-{row.line}", row.ko, row.en, row.topic) for row in rows])


def load_challenge() -> list[ChallengeItem]:
    """도전 문항(한 곳만 다른 문장쌍)을 불러옵니다. CC BY 4.0."""
    return [
        ChallengeItem(same_meaning=row.pop("relation") == "same", **row) for row in own_rows("challenge.tsv")
    ]


def own_rows(filename: str) -> list[dict[str, str]]:
    """강의에 든 TSV의 행들. 따옴표는 글의 일부입니다."""
    header, *lines = (DATA / filename).read_text(encoding="utf-8").strip("\n").split("\n")
    return [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]


def _read_own(filename: str, name: str) -> Corpus:
    rows = own_rows(filename)
    languages = [column for column in rows[0] if column not in ("id", "topic", "register")]
    return Corpus(
        name=name,
        ids=tuple(row["id"] for row in rows),
        texts={language: tuple(row[language] for row in rows) for language in languages},
        topic=tuple(row["topic"] for row in rows),
        register=tuple(row["register"] for row in rows),
        license="CC BY 4.0",
    )


def _from_pairs(name: str, pairs: list[tuple[str, str, str, str]], license: str = "") -> Corpus:
    """(id, ko, en, topic)의 목록으로 말뭉치를 만듭니다."""
    ids, ko, en, topic = (tuple(column) for column in zip(*pairs, strict=True))
    return Corpus(name, ids, {"ko": ko, "en": en}, topic, ("",) * len(ids), license)


def _load_jupyterlab() -> Corpus:
    """설치된 한국어 언어 팩에서, 한글이 든 번역을 영어 문구마다 하나씩 읽습니다."""
    spec = importlib.util.find_spec("jupyterlab_language_pack_ko_KR")
    if spec is None or spec.origin is None:
        raise CorpusError("`pip install jupyterlab-language-pack-ko-KR`로 언어 팩을 설치해 주십시오.")
    folder = Path(spec.origin).parent / "locale" / "ko_KR" / "LC_MESSAGES"
    ko_of_en: dict[str, tuple[str, str]] = {}
    for path in sorted(folder.glob("*.json")):
        catalog = json.loads(path.read_text(encoding="utf-8"))
        catalog.pop("")  # 머리말
        for key, forms in catalog.items():
            en = key.rpartition("\x04")[2]  # 문맥이 있으면 "문맥\x04문구"
            if en and re.search("[가-힣]", forms[0]):
                ko_of_en.setdefault(en, (unicodedata.normalize("NFC", forms[0]), path.stem))
    pairs = [(f"ui-{i:04d}", ko, en, topic) for i, (en, (ko, topic)) in enumerate(ko_of_en.items(), 1)]
    return _from_pairs("jupyterlab", pairs, "BSD-3-Clause")


def _load_tatoeba() -> Corpus:
    """허브의 데이터셋에서 Tatoeba 한국어–영어 평가쌍을 받습니다."""
    from huggingface_hub import snapshot_download

    from .encoders.hub import require_hub

    try:
        require_hub()
        offline = False
    except Exception:
        offline = True  # 이미 받아 둔 사본이 있으면 그것을 씁니다
    try:
        folder = snapshot_download(
            TATOEBA, repo_type="dataset", allow_patterns=["*kor-eng*.jsonl*"], local_files_only=offline
        )
        path = min(Path(folder).rglob("*.jsonl*"))
    except Exception as error:
        raise CorpusError(
            f"Tatoeba 말뭉치를 내려받지 못했습니다({type(error).__name__}). 네트워크를 확인하거나, "
            "내려받지 않는 load_corpus('course')나 load_corpus('jupyterlab')을 쓰십시오."
        ) from error
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file if line.strip()]
    pairs = []
    for i, row in enumerate(rows, 1):
        sides = [clean(row[side]) for side in ("sentence1", "sentence2")]
        en, ko = sorted(sides, key=lambda sentence: bool(re.search("[가-힣]", sentence)))
        pairs.append((f"tatoeba-{i:04d}", ko, en, ""))
    return _from_pairs("tatoeba", pairs, "CC BY 2.0 FR")


PAIRED, LONELY = "짝 있음", "짝 없음"


@dataclass(frozen=True)
class MiningTask:
    """두 문장 집합과 그 사이의 번역쌍.

    Attributes:
        source: 한국어 문장 N개.
        target: 영어 문장 M개.
        gold: 번역쌍 ``(source의 위치, target의 위치)``의 집합.
        source_kind, target_kind: 문장마다 ``"짝 있음"``, ``"짝 없음"``, 또는 방해 문장이면 무엇을 바꾼 것인지. ``"숫자"``,
            ``"부정"``, ``"방향"``(반대말로 바꾸거나 두 자리를 맞바꿈), ``"행위자"``(누가, 누구에게), ``"대상"``(무엇을, 어디에),
            ``"시간"``, ``"이름"`` 가운데 하나입니다.
    """

    source: list[str]
    target: list[str]
    gold: frozenset[tuple[int, int]]
    source_kind: list[str]
    target_kind: list[str]


def load_mining_task(
    part: str = "test",
    corpora: tuple[str, ...] = ("course", "jupyterlab"),
    unpaired: float = 0.0,
    distractors: bool = True,
) -> MiningTask:
    """``"course"``와 ``"jupyterlab"``의 평가용 부분과, 그것에서 한 가지만 바꾼 방해 문장(distractor)으로 만든 과제를 불러옵니다.

    방해 문장을 만든 쌍은 두 문장 집합에 모두 들어 있고, 나머지 쌍은 대부분 한쪽만 들어 있습니다. 방해 문장은 ``"course"``에만
    있습니다.

    Args:
        part: ``"dev"``(임곗값을 고를 때) 또는 ``"test"``(그 임곗값을 평가할 때). 겹치는 문장은 없습니다.
        corpora: 넣을 도메인. ``"course"``, ``"jupyterlab"`` 가운데 하나나 둘.
        unpaired: 짝 없는 문장을 얼마나 더 넣을지(0–1). 학습용 부분의 쌍 가운데 그 비율만큼을 한쪽 문장만 더합니다. 정답은 그대로이고
            짝이 있는 문장의 비율만 낮아집니다.
        distractors: False면 방해 문장을 넣지 않습니다. 번역쌍은 그대로입니다.

    Raises:
        InputError: 모르는 ``part``나 ``corpora``, 0과 1 사이가 아닌 ``unpaired``일 때.
    """
    check_choice(part, ("dev", "test"), "part")
    if not corpora or isinstance(corpora, str) or not set(corpora) <= {"course", "jupyterlab"}:
        raise InputError('corpora에는 "course"와 "jupyterlab" 가운데 하나나 둘을 튜플로 넣어 주십시오.')
    unpaired = check_real(unpaired, "unpaired", 0, 1)
    near_misses = {row["id"]: row for row in own_rows("mining_near_misses.tsv")}
    members: dict[str, dict[str, _Member]] = {"ko": {}, "en": {}}  # 언어 → 문장 → 어느 쌍의 무엇인지
    for name in corpora:
        half = _half(load_corpus(name), part)
        for pair in half.test:
            near_miss = near_misses.get(pair.id)
            kept = _kept_sides(pair.id, bool(near_miss))
            for language in kept:
                sentence = " ".join(getattr(pair, language).split())  # 화면 문구의 줄바꿈은 공백으로
                members[language][sentence] = _Member(pair.id, PAIRED if len(kept) == 2 else LONELY)
            if near_miss and distractors:
                decoy = _Member(f"{pair.id}-decoy", near_miss["kind"])
                members[near_miss["language"]][near_miss["sentence"]] = decoy
        for pair in half.train:
            if _draw(pair.en, 1_000) < 1_000 * unpaired:
                language = ("ko", "en")[_draw(pair.id, 2)]
                sentence = " ".join(getattr(pair, language).split())
                members[language].setdefault(sentence, _Member(pair.id, LONELY))
    source, target = (
        sorted(side.items(), key=lambda item: _draw(item[0], 2**32)) for side in members.values()
    )
    place = {member.pair: j for j, (_, member) in enumerate(target) if member.kind == PAIRED}
    gold = {
        (i, place[member.pair])
        for i, (_, member) in enumerate(source)
        if member.kind == PAIRED and member.pair in place
    }
    return MiningTask(
        source=[sentence for sentence, _ in source],
        target=[sentence for sentence, _ in target],
        gold=frozenset(gold),
        source_kind=[member.kind for _, member in source],
        target_kind=[member.kind for _, member in target],
    )


class _Member(NamedTuple):
    """문장 집합에 든 문장 하나: 쌍의 이름과, 짝이 있는지 또는 무엇을 바꾼 방해 문장인지."""

    pair: str
    kind: str


def _kept_sides(pair_id: str, has_near_miss: bool) -> tuple[str, ...]:
    """쌍의 어느 쪽을 둘지. 방해 문장이 노리는 쌍은 둘 다, 나머지는 여덟 가운데 하나만 둘 다 둡니다."""
    share = 0 if has_near_miss else _draw(pair_id, 8)
    if share == 0:
        return "ko", "en"
    return ("ko",) if share % 2 == 0 else ("en",)


def _half(corpus: Corpus, part: str) -> Corpus:
    """``part``에 드는 쌍. 화면 문구에는 번역이 둘인 것이 있어, 대소문자만 다른 것까지 합쳐 하나뿐인 쌍만 씁니다."""
    seen = Counter(sentence.casefold() for pair in corpus for sentence in (pair.ko, pair.en))
    return corpus.select(
        [
            i
            for i, pair in enumerate(corpus)
            if seen[pair.ko.casefold()] == seen[pair.en.casefold()] == 1
            and _draw(pair.ko, 2) == (part == "test")
        ]
    )


def _draw(text: str, n: int) -> int:
    """글에서만 정해지는 0 이상 n 미만의 수. 다른 문장이 늘거나 줄어도 그대로입니다."""
    return zlib.crc32(text[::-1].encode()) % n
