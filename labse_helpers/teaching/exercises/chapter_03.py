"""03장의 채점: 길이를 바꾼 벡터, 행의 길이를 1로, 문장 쌍 다듬기, 한 번만 인코딩하기, 토큰 수로 배치 나누기."""

import unicodedata
from typing import Any

import numpy as np

from .grading import Hint, as_array, call, close, exercise, expect

NEARLY = 1e-3  # 3.1에서 float32로 계산한 배수를 받아 주는 오차


@exercise("3.1", praise="곱한 수는 내적에 그대로 곱해지지만, 방향만 보는 코사인 유사도는 바뀌지 않습니다.")
def grade_stretched(answer):
    answer = as_array(answer)
    expect(answer.shape == (2,), "수 두 개를 (내적은 몇 배, 코사인 유사도는 몇 배) 순서로 넣으십시오.")
    dot, cosine = answer
    expect(
        not close(answer, (1, 6), NEARLY),
        "두 수의 순서를 보십시오. 앞이 내적, 뒤가 코사인 유사도입니다.",
    )
    mistakes = {
        1: "내적이 그대로라고 보았습니다. 성분끼리 곱해서 더하는 값이니, 성분이 커지면 그 곱은 어떻게 됩니까?",
        5: "두 배수를 더했습니다. 성분 하나를 골라, 수를 곱하기 전과 뒤의 곱을 비교해 보십시오.",
        2: "한쪽만 곱했습니다. v에도 수를 곱했습니다.",
        3: "한쪽만 곱했습니다. u에도 수를 곱했습니다.",
        36: "배수를 제곱했습니다. 내적에서 u의 성분과 v의 성분은 한 번씩만 곱해집니다.",
        600: "퍼센트로 적었습니다. 몇 배인지를 적으십시오.",
    }
    for value, hint in mistakes.items():
        expect(not close(dot, value, NEARLY), hint)
    expect(
        close(dot, 6, NEARLY),
        "내적이 다릅니다. (1, 2)와 (3, 1)처럼 작은 벡터 둘로, 수를 곱하기 전과 뒤를 종이에 계산해 보십시오.",
    )
    expect(
        not close(cosine, 6, NEARLY),
        "내적은 맞았습니다. 코사인 유사도는 내적을 두 길이로 나눈 값인데, 그 길이들은 어떻게 되었습니까?",
    )
    expect(
        not close(cosine, 1 / 6, NEARLY),
        "내적은 맞았습니다. 코사인 유사도에서 나누는 길이만 커졌습니까, 나누어지는 내적도 커졌습니까?",
    )
    expect(
        not close(cosine, 0, NEARLY),
        "내적은 맞았습니다. 코사인 유사도가 0이면 두 벡터가 직각입니다. 수를 곱한다고 방향이 그렇게 바뀝니까?",
    )
    expect(
        close(cosine, 1, NEARLY),
        "내적은 맞았습니다. 코사인 유사도는 두 벡터 사이의 각으로 정해지니, 수를 곱할 때 그 각이 바뀌는지 그려 보십시오.",
    )


@exercise(
    "3.2", praise="길이로 나누면 방향은 그대로이고 길이만 1이 되므로, 그다음부터는 내적이 곧 코사인입니다."
)
def grade_unit_rows(function):
    x = np.array([[3.0, -4.0, 0.0, 12.0], [-1.0, 2.0, 2.0, 0.5], [0.2, 0.1, -0.3, 0.4]])
    norms = np.linalg.norm(x, axis=1, keepdims=True)  # (3, 1): 13, 3.04, 0.55
    centered = x - x.mean(axis=1, keepdims=True)
    try:
        answer = as_array(call(function, x))
    except Hint as hint:
        if "broadcast" in str(hint.__cause__) or "must match" in str(hint.__cause__):
            raise Hint(
                "(N, dim)을 (N,)으로 나누면 모양이 맞지 않습니다. 길이를 구하는 함수의 `keepdims` 인자를 찾아보십시오."
            ) from hint
        raise
    expect(
        answer.shape not in [(3,), (3, 1)],
        "행마다 수 하나만 돌려주었습니다. 그 길이로 행의 값을 모두 나눈 배열이어야 합니다.",
    )
    expect(answer.shape != (4, 3), "행과 열이 바뀌었습니다. 받은 배열과 같은 모양으로 돌려주십시오.")
    expect(
        answer.shape == x.shape,
        f"{x.shape}인 배열을 넣었는데 모양이 {answer.shape}인 답이 나왔습니다. 받은 배열과 같은 모양이어야 합니다.",
    )
    mistakes = {
        "받은 배열이 그대로 나왔습니다. 행마다 길이를 구해 나누었는지 보십시오.": [x],
        "열마다 길이를 구했습니다. 문장 하나는 열이 아니라 행입니다.": [x / np.linalg.norm(x, axis=0)],
        "행렬 전체의 길이 하나로 나누었습니다. 길이는 행마다 따로 구해야 합니다.": [x / np.linalg.norm(x)],
        "길이의 제곱으로 나누었습니다. 제곱을 더한 다음에 할 일이 하나 남았습니다.": [x / norms**2],
        "수의 합(또는 절댓값의 합)으로 나누었습니다. 2절에서 길이는 무엇을 더해 구했습니까?": [
            x / x.sum(axis=1, keepdims=True),
            x / np.abs(x).sum(axis=1, keepdims=True),
        ],
        "가장 큰 수로 나누었습니다. 가장 큰 값이 아니라 길이가 1이 되어야 합니다.": [
            x / x.max(axis=1, keepdims=True),
            x / np.abs(x).max(axis=1, keepdims=True),
        ],
        "제곱의 평균을 썼습니다. 길이는 제곱의 합에서 나옵니다.": [x / np.sqrt((x**2).mean(axis=1, keepdims=True))],
        "평균을 뺐습니다. 그러면 방향이 바뀌므로 길이로 나누기만 하십시오.": [
            centered / x.std(axis=1, keepdims=True),
            centered / np.linalg.norm(centered, axis=1, keepdims=True),
        ],
        "길이로 나누지 않고 길이를 곱했습니다. 긴 행이 더 길어집니다.": [x * norms],
        "길이가 1보다 짧은 행은 그대로 두었습니다. 짧은 행도 길이를 1로 맞추어야 합니다.": [x / np.maximum(norms, 1)],
        "길이에 수를 더해 나누었습니다. 0으로 나누지 않으려는 것이라면 0인 행만 따로 다루십시오.": [x / (norms + 1)],
        "부호가 바뀌었습니다. 길이로 나누기만 하면 방향은 그대로입니다.": [-x / norms],
        "행의 순서가 바뀌었습니다. i번째 행은 받은 배열의 i번째 행이어야 합니다.": [(x / norms)[::-1]],
    }  # fmt: skip
    for message, values in mistakes.items():
        expect(not any(close(answer, value) for value in values), message)
    expect(
        close(answer, x / norms),
        "모양은 맞지만 값이 다릅니다. 돌려준 배열에서 행마다 제곱의 합을 구해 1인지 보십시오.",
    )

    with_zeros = np.array([[2.0, -1.0, 2.0], [0.0, 0.0, 0.0]])
    try:
        answer = as_array(call(function, with_zeros))
    except Hint as hint:
        raise Hint(
            "모두 0인 행이 있으면 0으로 나누게 됩니다. 나누기 전에 길이가 0인 행을 어떻게 할지 정하십시오."
        ) from hint
    expect(
        answer.shape == with_zeros.shape,
        "모두 0인 행이 있으면 모양이 달라집니다. 그 행도 제자리에 남겨 두십시오.",
    )
    expect(close(answer[1], np.zeros(3)), "모두 0인 행이 다른 값으로 바뀌었습니다. 0인 채로 남겨 두십시오.")
    expect(
        close(answer[0], with_zeros[0] / 3),
        "모두 0인 행이 있으면 다른 행의 값까지 달라집니다. 0인 행만 따로 다루십시오.",
    )


def decomposed(line: str) -> str:
    return unicodedata.normalize("NFD", line)


PAIRS = [  # 3.3에서 다듬을 문장 쌍들
    ("  창문을 열어 주세요.\n", "Please open the window."),
    (decomposed("한 시에 만나요."), "See you at one.\t"),
    ("   ", "The Korean line is only spaces."),
    ("고마워요.", "Thank you."),
    ("한 시에 만나요.", " See you at one."),  # 다듬으면 둘째 쌍과 같음
    ("", "The Korean line is empty."),
    ("고마워요.", "Thanks."),  # 한국어만 같음
    ("①번 문으로  들어오세요.", "Enter through door ①."),
    ("영어가 공백뿐인 줄", "\t\n"),
    ("", ""),
    ("감사합니다.", "Thank you."),  # 영어만 같음
    ("골목에 찻집이 생겼어요.", decomposed("A café has opened in our alley.")),
    ("영어가 없는 줄", ""),
    ("고마워요.", "Thank you."),  # 중복
]


def cleaned(pair: tuple[str, str]) -> tuple[str, str]:
    ko, en = (unicodedata.normalize("NFC", line).strip() for line in pair)
    return ko, en


def loosely(line: str) -> str:
    """어느 문장인지만 알아보게 합니다: 정규화 형식, 공백, 대소문자의 차이를 지웁니다."""
    return " ".join(unicodedata.normalize("NFKC", line).casefold().split())


PAIRS_LOOSELY = [tuple(map(loosely, pair)) for pair in PAIRS]
APART = "문장 쌍이 어긋났습니다. 두 목록을 따로 거르면 한쪽만 줄이 당겨집니다."


def check_pairs_match(pairs: list[tuple[str, str]]) -> None:
    """돌려준 쌍이 모두 처음의 쌍인지 봅니다."""
    known = set(PAIRS_LOOSELY)
    found = [tuple(map(loosely, pair)) for pair in pairs]
    expect(
        not all((en, ko) in known for ko, en in found) or all(pair in known for pair in found),
        "쌍 안에서 순서가 바뀌었습니다. 한국어가 먼저입니다.",
    )
    known_ko, known_en = map(set, zip(*known, strict=True))
    for pair in found:
        if pair not in known:
            expect(
                pair[0] in known_ko and pair[1] in known_en,
                "받은 적이 없는 문장이 섞여 있습니다. 문장의 단어나 부호를 고치지는 마십시오.",
            )
            raise Hint(APART)


def check_lines(pairs: list[tuple[str, str]]) -> None:
    """빈 줄, 앞뒤의 공백, 정규화 형식을 봅니다."""
    blank = [pair for pair in pairs if not all(line.strip() for line in pair)]
    expect(
        not any(not ko.strip() and not en.strip() for ko, en in blank),
        "두 언어가 모두 빈 쌍이 남아 있습니다. 빈 줄이 든 쌍은 빼십시오.",
    )
    left = {tuple(map(loosely, pair)) for pair in blank}
    expect(
        not (PAIRS_LOOSELY[12] in left and all(ko.strip() for ko, _ in blank)),
        "영어만 빈 쌍이 남아 있습니다. 한국어만 살피지 않았는지 보십시오.",
    )
    expect(
        not left & {PAIRS_LOOSELY[5], PAIRS_LOOSELY[12]},
        "한쪽만 빈 쌍이 남아 있습니다. 어느 한쪽이라도 비었으면 쌍 전체를 빼십시오.",
    )
    expect(
        not blank,
        "공백이나 줄바꿈뿐인 줄이 남아 있습니다. 다듬기와 거르기 가운데 무엇을 먼저 해야 합니까?",
    )
    lines = [line for pair in pairs for line in pair]
    expect(
        all(line == line.strip() for line in lines),
        "앞이나 뒤에 공백, 탭, 줄바꿈이 남은 줄이 있습니다. 두 언어를 모두 다듬었는지 보십시오.",
    )
    expect(
        not all(line == decomposed(line) for line in lines),
        "글자를 자모로 풀었습니다(NFD). 5절에서 인코더에 넣는 형식은 어느 쪽이었습니까?",
    )
    expect(
        all(unicodedata.is_normalized("NFC", ko) for ko, _ in pairs),
        "눈에는 같아 보여도 NFC가 아닌 한국어 줄이 있습니다. 5절을 다시 보십시오.",
    )
    expect(
        all(unicodedata.is_normalized("NFC", en) for _, en in pairs),
        "영어 쪽에 NFC가 아닌 줄이 있습니다. 한글이 아니어도 é 같은 글자는 풀려 있을 수 있습니다.",
    )
    text = "".join(lines)
    expect(
        text.count("①") == 2 or "1" not in text,
        "①이 1로 바뀌었습니다. NFC는 글자를 다른 글자로 바꾸지 않으니 어느 형식으로 정규화했는지 보십시오.",
    )
    expect(
        "문으로 들어" not in text,
        "줄 가운데의 공백까지 고쳤습니다. 앞과 뒤의 공백만 없애십시오.",
    )


@exercise(
    "3.3",
    praise="다듬고, 거르고, 중복을 지우는 동안 두 언어를 함께 다루었으므로 문장 쌍이 한 번도 어긋나지 않았습니다.",
)
def grade_clean_pairs(function):
    try:
        answer = call(function, *map(list, zip(*PAIRS, strict=True)))
    except Hint as hint:
        raise Hint(APART) if "zip()" in str(hint.__cause__) else hint from None
    expect(
        isinstance(answer, (list, tuple)),
        f"쌍의 목록(list)을 기다렸는데 {type(answer).__name__}형이 왔습니다. `list(…)`로 바꿀 수 있는지 보십시오.",
    )
    expect(len(answer) > 0, "남은 쌍이 하나도 없습니다. 두 언어에 모두 글이 있는 쌍은 남아야 합니다.")
    expect(
        not (len(answer) == 2 and all(isinstance(side, list) and len(side) != 2 for side in answer)),
        "목록 두 개가 왔습니다. (한국어, 영어) 쌍이 든 목록 하나로 돌려주십시오.",
    )
    expect(
        all(
            isinstance(pair, (list, tuple)) and len(pair) == 2 and all(isinstance(line, str) for line in pair)
            for pair in answer
        ),
        "목록의 원소는 모두 (한국어 문장, 영어 문장)이어야 합니다.",
    )
    pairs = [tuple(pair) for pair in answer]
    right = list(dict.fromkeys(pair for pair in map(cleaned, PAIRS) if all(pair)))
    check_pairs_match(pairs)
    check_lines(pairs)
    expect(
        set(pairs) <= set(right),
        "글자가 달라진 문장이 있습니다. NFC로 바꾸고 앞뒤의 공백을 없애는 일만 하십시오.",
    )
    expect(
        pairs.count(PAIRS[3]) <= 1,
        "같은 쌍이 두 번 이상 나옵니다. 처음 나온 것 하나만 남기십시오.",
    )
    expect(
        len(set(pairs)) == len(pairs),
        "다듬은 뒤에 같아지는 쌍이 두 번 남았습니다. 중복은 언제 지워야 합니까?",
    )
    missing = set(right) - set(pairs)
    for place, same in {6: "한국어가", 10: "영어가"}.items():
        expect(
            missing != {cleaned(PAIRS[place])},
            f"{same} 같다고 다른 쌍까지 지웠습니다. 두 언어가 모두 같아야 중복입니다.",
        )
    expect(
        not missing or not missing <= {cleaned(PAIRS[3]), cleaned(PAIRS[4])},
        "중복된 쌍을 하나도 남기지 않았습니다. 처음 나온 것은 남기십시오.",
    )
    expect(not missing, "남아야 할 쌍이 사라졌습니다. 왜 뺐는지 하나씩 보십시오.")
    last = list(dict.fromkeys(reversed([pair for pair in map(cleaned, PAIRS) if all(pair)])))[::-1]
    expect(pairs != last, "중복 가운데 마지막 것을 남겼습니다. 처음 나온 자리를 지키십시오.")
    expect(
        pairs == right,
        "쌍의 순서가 처음과 다릅니다. `set`이나 `sorted`처럼 순서를 바꾸는 것을 쓰지 않았는지 보십시오.",
    )


VECTORS = {  # 3.4의 인코더가 아는 문장과 그 벡터
    "저장": [0.6, 0.8, 0.0],
    "닫기": [0.0, 1.0, 0.0],
    "열기": [0.8, 0.0, 0.6],
    "취소": [-0.6, 0.0, 0.8],
    "붙여넣기": [0.0, 0.28, 0.96],
}
REPEATED = (
    ["닫기", "저장", "닫기", "닫기", "열기", "저장", "취소", "닫기", "붙여넣기"],
    ["취소", "취소", "열기", "취소", "닫기"],
)


@exercise(
    "3.4", praise="서로 다른 문장만 한 번에 인코딩하고, 번호로 꺼내어 모든 문장에 벡터를 돌려주었습니다."
)
def grade_encode_once(function):
    for sentences in REPEATED:
        calls: list[list[str]] = []

        def encode(lines, *args, calls=calls, **options):
            """무엇을 몇 번 넣었는지 적어 두는 인코더."""
            calls.append([lines] if isinstance(lines, str) else [str(line) for line in lines])
            for line in calls[-1]:
                if line not in VECTORS:
                    raise ValueError(f"sentences에 없는 문장을 encode에 넣었습니다: {line!r:.30}")
            vectors = np.array([VECTORS[line] for line in calls[-1]])
            return vectors[0] if isinstance(lines, str) else vectors

        right = np.array([VECTORS[sentence] for sentence in sentences])
        distinct = len(set(sentences))
        try:
            answer = as_array(call(function, sentences, encode))
        except Hint as hint:
            if isinstance(hint.__cause__, IndexError):
                raise Hint(
                    "벡터의 수보다 큰 번호를 꺼내려 했습니다. 번호를 어느 목록에서 세었는지 보십시오."
                ) from hint
            raise
        expect(calls, "`encode`를 한 번도 부르지 않았습니다. 벡터는 그 함수가 만들어 줍니다.")
        expect(
            answer.shape != right.T.shape or answer.shape == right.shape,
            "행과 열이 바뀌었습니다. 한 행이 한 문장입니다.",
        )
        expect(
            answer.shape != (distinct, right.shape[1]),
            "서로 다른 문장의 벡터까지는 왔습니다. 이제 반복된 문장에도 벡터를 주어야 합니다.",
        )
        expect(
            answer.shape == right.shape,
            f"문장이 {len(sentences)}개이고 dim이 3이면 답은 {right.shape}여야 하는데 모양이 {answer.shape}입니다.",
        )
        seen = [line for lines in calls for line in lines]
        expect(
            len(calls) == 1 or len(seen) > distinct,
            f"같은 문장을 두 번 넣지 않은 것은 좋지만 `encode`를 {len(calls)}번 불렀습니다. 모아서 한 번만 부르십시오.",
        )
        expect(
            len(calls) == 1 or any(len(lines) != distinct for lines in calls),
            f"같은 문장들을 {len(calls)}번 인코딩했습니다. 처음 결과를 변수에 두고 다시 쓰십시오.",
        )
        expect(
            len(calls) == 1,
            f"`encode`를 {len(calls)}번 불렀습니다. 반복문 안에서 부르고 있지 않은지 보십시오.",
        )
        expect(
            len(seen) == distinct,
            f"서로 다른 문장은 {distinct}개인데 `encode`에 {len(seen)}개를 넣었습니다. 먼저 중복을 지우십시오.",
        )
        if not close(answer, right):
            expect(
                not close(answer[::-1], right),
                "행의 순서가 거꾸로입니다. 첫 행이 처음 목록의 첫 문장이어야 합니다.",
            )
            same_rows = sorted(map(tuple, answer.round(4))) == sorted(map(tuple, right))
            expect(
                not same_rows,
                "필요한 벡터는 다 있는데 순서가 다릅니다. i번째 행은 처음 목록의 i번째 문장이어야 합니다.",
            )
            expect(
                not close(answer[:distinct], [VECTORS[line] for line in seen]),
                "앞의 몇 행에 서로 다른 문장의 벡터가 순서대로 놓였습니다. 행마다 그 문장의 번호로 꺼내십시오.",
            )
            raise Hint(
                "다른 문장의 벡터가 들어간 행이 있습니다. 문장마다, 인코딩한 목록에서 몇 번째인지 적어 두고 비교해 보십시오."
            )


def n_padded(lengths: np.ndarray, batch: list[int]) -> int:
    """배치 하나의 패딩까지 포함한 토큰 수: (문장 수) × (가장 긴 문장의 길이)."""
    return len(batch) * int(max(lengths[i] for i in batch))


def fewest_batches(lengths: np.ndarray, max_tokens: int) -> int:
    """``max_tokens``를 지키는 배치의 가장 적은 수. 길이순으로 넣을 수 있을 만큼 넣으면 됩니다."""
    count, size = 1, 0
    for length in np.sort(lengths):
        size += 1
        if size * length > max_tokens:
            count, size = count + 1, 1
    return count


def as_batches(answer: Any) -> list[list[int]]:
    """답을 번호의 목록의 목록으로 바꿉니다."""
    expect(
        isinstance(answer, (list, tuple)),
        f"배치의 목록(list)을 기다렸는데 {type(answer).__name__}형이 왔습니다.",
    )
    expect(len(answer) > 0, "배치가 하나도 없습니다. 만든 배치를 목록에 넣어 돌려주었는지 보십시오.")
    expect(
        all(hasattr(batch, "__len__") and not isinstance(batch, (str, bytes, dict)) for batch in answer),
        "번호를 한 줄로 늘어놓았습니다. 배치마다 번호의 목록을 만들고, 그것들을 목록에 넣으십시오.",
    )
    expect(all(len(batch) > 0 for batch in answer), "빈 배치가 있습니다. 새 배치를 언제 시작하는지 보십시오.")
    batches = [[float(as_array(i, ())) for i in batch] for batch in answer]
    expect(all(i.is_integer() for batch in batches for i in batch), "문장의 번호는 정수여야 합니다.")
    return [[int(i) for i in batch] for batch in batches]


@exercise(
    "3.5",
    praise="토큰 수로 나누면 짧은 문장은 많이, 긴 문장은 적게 넣게 되어, 정해진 메모리를 넘지 않으면서 패딩이 줄어듭니다.",
)
def grade_batches(function):
    data = [
        (np.array([5, 31, 2, 7, 5, 12, 3, 40, 6, 2, 9, 14, 3, 8]), 40),
        (np.array([4, 1, 6, 1, 3, 9, 1, 2, 6, 1, 5]), 12),
    ]
    for lengths, max_tokens in data:
        batches = as_batches(call(function, lengths, max_tokens))
        everyone = list(range(len(lengths)))
        flat = sorted(i for batch in batches for i in batch)
        expect(
            flat == everyone or flat != sorted(lengths),
            "번호가 아니라 길이를 넣었습니다. 문장을 다시 찾을 수 있게 번호를 넣으십시오.",
        )
        expect(flat != [i + 1 for i in everyone], "번호를 1부터 세었습니다. 파이썬의 번호는 0부터입니다.")
        expect(set(flat) <= set(everyone), "없는 문장의 번호가 들어 있습니다. 번호는 0부터 N-1까지입니다.")
        expect(
            len(set(flat)) == len(flat),
            "두 번 이상 들어간 문장이 있습니다. 문장마다 한 배치에만 들어가야 합니다.",
        )
        expect(
            flat == everyone,
            "빠진 문장이 있습니다. 새 배치를 시작하게 한 문장과 마지막 배치도 들어갔는지 보십시오.",
        )

        over = [batch for batch in batches if n_padded(lengths, batch) > max_tokens]
        if over:
            expect(
                len(batches) > 1,
                "모든 문장을 한 배치에 넣었습니다. 토큰 수가 `max_tokens`를 넘기 전에 나누어야 합니다.",
            )
            for ordered in (np.sort(lengths), np.sort(lengths)[::-1]):
                expect(
                    any(n_padded(ordered, batch) > max_tokens for batch in batches),
                    "길이순으로 정렬한 뒤의 자리를 넣었습니다. 처음 목록에서의 번호가 필요합니다.",
                )
            expect(
                any(len(batch) * lengths[batch[-1]] > max_tokens for batch in batches),
                "배치의 가장 긴 문장이 아니라 마지막에 넣은 문장의 길이로 잰 듯합니다. 앞에 더 긴 문장이 있습니다.",
            )
            expect(
                any(lengths[batch].sum() > max_tokens for batch in batches),
                "문장들의 토큰 수를 더해 잰 듯합니다. 패딩을 하면 짧은 문장도 가장 긴 문장만큼 토큰을 차지합니다.",
            )
            expect(
                any(n_padded(lengths, batch[:-1] or batch) > max_tokens for batch in over),
                "마지막 문장 하나 때문에 넘치는 배치가 있습니다. 새 문장을 넣은 뒤의 토큰 수를 재었는지 보십시오.",
            )
            raise Hint(
                "패딩까지 포함해 `max_tokens`를 넘는 배치가 있습니다. 배치마다 (문장 수) × (가장 긴 문장의 길이)를 출력해 보십시오."
            )

        fewest = fewest_batches(lengths, max_tokens)
        expect(
            len(batches) < len(lengths) or fewest == len(lengths),
            "모든 배치에 문장이 하나씩입니다. 짧은 문장끼리는 `max_tokens`를 넘지 않는 한 함께 넣으십시오.",
        )
        if len(batches) > fewest:
            spans = sorted((min(lengths[batch]), max(lengths[batch])) for batch in batches)
            apart = all(first[1] <= second[0] for first, second in zip(spans, spans[1:], strict=False))
            expect(
                apart,
                "`max_tokens`는 지켰지만 배치가 많습니다. 길이가 비슷한 문장끼리 모이게 하려면 먼저 무엇을 해야 합니까?",
            )
            expect(
                len(batches) != fewest_batches(lengths, max_tokens - 1),
                "길이가 비슷한 것끼리 잘 모았지만 배치가 많습니다. 토큰 수가 `max_tokens`와 꼭 같은 배치도 괜찮습니까?",
            )
            raise Hint(
                "길이가 비슷한 것끼리 모았지만 문장을 더 넣을 수 있는 배치가 있습니다. 새 배치를 너무 일찍 시작하지 않았는지 보십시오."
            )
