"""명령줄: ``python -m labse_helpers mine|search|encode|train``. 자기 파일로 캐고, 찾고, 인코딩하고, 가르칩니다."""

import json
import shutil
import sys
import unicodedata
from pathlib import Path
from typing import Annotated

import typer

from .errors import CorpusError, InputError, ModelUnavailableError

app = typer.Typer(
    help="두 문장 더미에서 번역을 캐고, 파일에서 찾고, 큰 파일을 인코딩하고, 번역쌍으로 인코더를 가르칩니다.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Model = Annotated[str | None, typer.Option(help="muse, labse … 주지 않으면 있는 것 가운데 고릅니다.")]


@app.command()
def mine(
    source: Annotated[Path, typer.Argument(help="원문 파일. 한 줄에 한 문장.")],
    target: Annotated[Path, typer.Argument(help="번역 파일. 한 줄에 한 문장. 차례와 줄 수는 달라도 됩니다.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="결과를 적을 TSV. 이미 있으면 멈춥니다.")],
    threshold: Annotated[float | None, typer.Option(help="점수가 이보다 낮은 쌍은 적지 않습니다.")] = None,
    k: Annotated[int, typer.Option(help="점수를 견줄 이웃의 수.")] = 4,
    scoring: Annotated[str, typer.Option(help="ratio, distance, absolute")] = "ratio",
    direction: Annotated[str, typer.Option(help="forward, backward, intersection, max")] = "max",
    approximate: Annotated[
        bool, typer.Option("--approximate", help="이웃을 근사 색인에서 찾습니다(50,000문장 이상).")
    ] = False,
    model: Model = None,
) -> None:
    """두 더미에서 번역인 듯한 쌍을 찾아 점수가 높은 차례로 TSV에 적습니다."""
    from .search.mining import mine_bitext

    if output.exists():
        raise InputError(f"{output}이(가) 이미 있습니다. 지우거나 다른 이름을 -o에 주십시오.")
    if not output.parent.is_dir():
        raise InputError(f"{output.parent} 폴더가 없습니다. 먼저 만들어 주십시오.")
    piles = [read_sentences(path) for path in (source, target)]
    for path, (sentences, _) in zip((source, target), piles, strict=True):
        typer.echo(f"{path}: 문장 {len(sentences):,}개(서로 다른 것 {len(set(sentences)):,}개)", err=True)
    (source_sentences, source_lines), (target_sentences, target_lines) = piles
    mined = mine_bitext(
        source_sentences, target_sentences, _load(model), k, scoring, direction, approximate=approximate
    )
    n_mined = len(mined)
    if threshold is not None:
        mined = mined[mined["score"] >= threshold]
    mined = mined.assign(
        source_line=[source_lines[i] for i in mined["source_index"]],
        target_line=[target_lines[j] for j in mined["target_index"]],
    )
    _write_tsv(mined[["score", "source", "target", "source_line", "target_line"]], output)
    kept = "" if threshold is None else f" 가운데 {threshold} 이상 {len(mined):,}쌍"
    typer.echo(f"{output}: 찾은 쌍 {n_mined:,}개{kept}을 적었습니다.", err=True)


@app.command()
def search(
    corpus: Annotated[Path, typer.Argument(help="찾을 파일. 한 줄에 한 문장.")],
    query: Annotated[str, typer.Argument(help="질의 문장.")],
    top_k: Annotated[int | None, typer.Option(help="보일 문장의 수. 주지 않으면 다섯까지.")] = None,
    model: Model = None,
) -> None:
    """파일에서 질의와 뜻이 가까운 줄을 찾아, 점수와 줄 번호와 함께 보입니다."""
    from .search.retriever import Retriever

    sentences, lines = read_sentences(corpus)
    wanted = min(5, len(sentences)) if top_k is None else top_k
    for hit in Retriever(sentences, _load(model), k=1).search(query, wanted):
        typer.echo(f"{hit.score:.3f}\t{lines[hit.index]}\t{hit.sentence}")


@app.command()
def encode(
    path: Annotated[Path, typer.Argument(help="글 파일(한 줄에 한 문장) 또는 TSV.")],
    out: Annotated[Path, typer.Argument(help="벡터를 적을 폴더. 멈추면 같은 명령으로 이어서 합니다.")],
    column: Annotated[str | None, typer.Option(help="TSV에서 읽을 열의 이름이나 번호(0부터).")] = None,
    model: Model = None,
) -> None:
    """파일의 줄마다 벡터 하나를 만듭니다. 파일이 메모리보다 커도 됩니다."""
    from .storage.encode_file import encode_file

    number = int(column) if column is not None and column.isdecimal() else column
    vectors = encode_file(path, out, _load(model), column=number)
    typer.echo(f"{out / 'embeddings.npy'}: 벡터 {vectors.shape[0]:,}개, {vectors.shape[1]}차원", err=True)


@app.command()
def train(
    pairs: Annotated[str, typer.Argument(help="번역쌍의 TSV·CSV, 또는 말뭉치 이름(jupyterlab …).")],
    out: Annotated[Path, typer.Argument(help="결과를 적을 폴더. 멈추면 같은 명령으로 이어서 합니다.")],
    epochs: Annotated[int, typer.Option(help="자료를 되풀이하는 횟수.")] = 5,
    batch_size: Annotated[int, typer.Option(help="배치의 번역쌍 수.")] = 128,
    learning_rate: Annotated[
        float, typer.Option(help="가장 높을 때의 학습률. LaBSE와 e5에는 2e-5쯤을 주십시오.")
    ] = 5e-4,
    scale: Annotated[float, typer.Option(help="코사인에 곱하는 수.")] = 20.0,
    margin: Annotated[float, typer.Option(help="정답의 코사인에서 빼는 마진.")] = 0.3,
    alpha: Annotated[float, typer.Option(help="원래 가중치와 섞는 비율. 1이면 섞지 않습니다.")] = 0.5,
    seed: Annotated[int, typer.Option(help="배치의 차례와 드롭아웃의 시드.")] = 0,
    save_every: Annotated[int, typer.Option(help="몇 걸음마다 체크포인트를 남길지.")] = 50,
    model: Model = None,
) -> None:
    """번역쌍의 80 %로 가르치고, 가르치지 않은 20 %에서 앞뒤의 P@1을 잽니다. 가르친 인코더는 OUT/model에 둡니다."""
    from .corpora import load_corpus
    from .evaluation import precision_at_1
    from .training.fine_tune import CHECKPOINT, fine_tune

    finished = out / "model"
    if finished.exists():
        raise InputError(f"{finished}이(가) 이미 있습니다. 지우거나 다른 폴더를 주십시오.")
    corpus = load_corpus(pairs)
    learned, held_out = corpus.train, corpus.test
    if len(learned) < 2 or len(held_out) < 2:
        raise InputError(f"{pairs}: 문장쌍이 {len(corpus)}개뿐이라 배울 것과 평가할 것으로 나눌 수 없습니다.")
    encoder = _load(model)

    def measure(when: str) -> dict[str, float]:
        scores = encoder.similarity(encoder.encode(held_out.en), encoder.encode(held_out.ko))
        both = precision_at_1(scores)
        typer.echo(f"{when} P@1: 영→한 {both.forward}, 한→영 {both.backward}", err=True)
        return {"en_to_ko": both.forward.value, "ko_to_en": both.backward.value}

    typer.echo(f"배우는 쌍 {len(learned):,}개, 평가하는 쌍 {len(held_out):,}개", err=True)
    report = {"before": measure("배우기 전")}
    options = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "scale": scale,
        "margin": margin,
        "alpha": alpha,
        "seed": seed,
    }
    report["losses"] = fine_tune(
        encoder, learned.en, learned.ko, **options, checkpoint=out, save_every=save_every
    )
    report["after"] = measure("배운 뒤")
    unfinished = out / ".model.part"
    shutil.rmtree(unfinished, ignore_errors=True)  # 저장하다 멈춘 것
    encoder.save(str(unfinished))
    (out / "training.json").write_text(
        json.dumps({"pairs": pairs, **options, **report}, ensure_ascii=False, indent=1) + "\n",
        encoding="utf-8",
    )
    unfinished.rename(finished)
    (out / CHECKPOINT).unlink(missing_ok=True)
    typer.echo(f"{finished}에 저장했습니다. load_model({str(finished)!r})로 엽니다.", err=True)


def read_sentences(path: Path) -> tuple[list[str], list[int]]:
    """파일의 문장들과 그 줄 번호(1부터). 빈 줄은 건너뛰고, 문장 속의 탭은 빈칸으로 바꿉니다.

    Raises:
        CorpusError: 파일이 없거나, 읽을 수 없는 글자가 있거나, 문장이 하나도 없을 때.
    """
    from .corpora import read_text

    text = unicodedata.normalize("NFC", read_text(path))
    lines = [(" ".join(line.split()), number) for number, line in enumerate(text.split("\n"), start=1)]
    kept = [(line, number) for line, number in lines if line]
    if not kept:
        raise CorpusError(f"{path}: 문장이 없습니다.")
    sentences, numbers = zip(*kept, strict=True)
    return list(sentences), list(numbers)


def _load(name: str | None):
    from .encoders.load import load_model

    return load_model(name) if name else load_model()


def _write_tsv(table, path: Path) -> None:
    """옆에 다 적은 뒤 이름을 바꿉니다. 적다 만 파일은 남지 않습니다."""
    unfinished = path.with_name(f".{path.name}.part")
    try:
        lines = ["\t".join(table.columns)]
        lines += ["\t".join([f"{row[0]:.4f}", *map(str, row[1:])]) for row in table.itertuples(index=False)]
        unfinished.write_text("\n".join(lines) + "\n", encoding="utf-8")
        Path(unfinished).replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise InputError(
            f"{path}에 적지 못했습니다({error.strerror}). 자리와 권한을 확인해 주십시오."
        ) from error


def main() -> None:
    try:
        app(prog_name="python -m labse_helpers")
    except (InputError, CorpusError, ModelUnavailableError) as error:
        typer.secho(str(error), fg=typer.colors.RED, err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
