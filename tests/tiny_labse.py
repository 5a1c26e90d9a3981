"""LaBSE와 모듈 사슬이 같은 아주 작은 모델을 만들어, 허브 클라이언트가 하듯 캐시에 놓습니다.

BERT WordPiece 토크나이저 → Transformer → [CLS] 풀링 → Dense(tanh) → Normalize. 가중치는 무작위입니다.
"""

import json
import shutil
from pathlib import Path

import pytest
import torch
from huggingface_hub.utils._http import default_client_factory
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertModel, BertTokenizerFast

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPO_FOLDER = "models--sentence-transformers--LaBSE"
DIM = 32


def build_tiny_labse(cache: Path) -> Path:
    """작은 LaBSE를 ``cache`` 아래 허브 캐시의 모양으로 만들고 snapshot 폴더를 돌려줍니다."""
    work = cache.parent / f"{cache.name}-work"
    bert_folder = work / "bert"
    bert_folder.mkdir(parents=True)
    _save_bert(bert_folder)

    transformer = Transformer(str(bert_folder))
    pooling = Pooling(transformer.get_embedding_dimension(), pooling_mode="cls")
    torch.manual_seed(0)
    dense = Dense(DIM, DIM, activation_function=torch.nn.Tanh())
    model = SentenceTransformer(modules=[transformer, pooling, dense, Normalize()], device="cpu")
    model.save(str(work / "model"))

    repo = cache / REPO_FOLDER
    snapshot = repo / "snapshots" / COMMIT
    shutil.copytree(work / "model", snapshot)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(COMMIT, encoding="utf-8")
    shutil.rmtree(work)
    return snapshot


def use_cache(monkeypatch: pytest.MonkeyPatch, cache: Path, hub: str | None = None) -> None:
    """이 프로세스가 ``cache``를 허브 캐시로 쓰게 합니다. ``hub``가 주소면 허브의 요청이 모두 그리로 가고, None이면 오프라인입니다."""
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", hub is None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)

    def client():
        made = default_client_factory()
        if hub is not None:
            hooks = made.event_hooks["request"]
            made.event_hooks = {"request": [*hooks, lambda request: _send_to(hub, request)]}
        return made

    monkeypatch.setattr("huggingface_hub.utils._http._GLOBAL_CLIENT_FACTORY", client)
    monkeypatch.setattr("huggingface_hub.utils._http._GLOBAL_CLIENT", None)


def _send_to(hub: str, request) -> None:
    request.url = type(request.url)(hub + request.url.raw_path.decode())


def to_older_form(snapshot: Path) -> None:
    """예전 허브 사본의 모습으로 바꿉니다: 옛 모듈 이름, ``.bin`` 가중치."""
    for weights in list(snapshot.rglob("model.safetensors")):
        torch.save(load_file(weights), weights.with_name("pytorch_model.bin"))
        weights.unlink()
    modules = json.loads((snapshot / "modules.json").read_text(encoding="utf-8"))
    for module in modules:
        module["type"] = f"sentence_transformers.models.{module['type'].rpartition('.')[2]}"
    (snapshot / "modules.json").write_text(json.dumps(modules), encoding="utf-8")


def _save_bert(folder: Path) -> None:
    """한글 음절과 로마자를 글자 단위로 아는 WordPiece 어휘와 2층짜리 BERT를 저장합니다."""
    letters = [chr(c) for c in (*range(0x21, 0x7F), *range(0xAC00, 0xD7A4))]
    vocabulary = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *letters,
        *(f"##{letter}" for letter in letters),
    ]
    tokenizer = BertWordPieceTokenizer({token: i for i, token in enumerate(vocabulary)}, lowercase=False)
    fast = BertTokenizerFast(tokenizer_object=tokenizer._tokenizer, do_lower_case=False, model_max_length=256)
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=DIM,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=512,
        initializer_range=0.3,  # 기본값 0.02로는 모든 문장의 벡터가 거의 같아 순위가 반올림으로 정해집니다
    )
    BertModel(config).save_pretrained(folder)
