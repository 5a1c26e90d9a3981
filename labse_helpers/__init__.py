"""LaBSE로 배우는 다국어 문장 임베딩 강의의 도우미 패키지.

여기에 있는 이름이 공개된 전부입니다. 처음 쓰는 순간에 불러오므로 ``import labse_helpers``는 torch를 부르지 않습니다.
"""

from importlib import import_module

_HOME = {
    # 인코더
    "load_model": "encoders.load",
    "labse_is_cached": "encoders.load",
    "print_setup": "encoders.load",
    "ModelCard": "encoders.card",
    # 말뭉치
    "load_corpus": "corpora",
    "load_challenge": "corpora",
    "Corpus": "corpora",
    # 검색과 평가
    "Retriever": "search.retriever",
    "Hit": "search.retriever",
    "exact_top_k": "search.exact",
    "encode_file": "storage.encode_file",
    "return_most_similar": "search.retriever",
    "margin_scores": "search.margin",
    "ranks": "evaluation",
    "estimate": "evaluation",
    "paired_difference": "evaluation",
    "precision_at_1": "evaluation",
    "mean_reciprocal_rank": "evaluation",
    # 병렬 문장 마이닝
    "mine_bitext": "search.mining",
    "load_mining_task": "corpora",
    "precision_recall": "evaluation",
    "f1_at": "evaluation",
    "f1_difference": "evaluation",
    # 손실과 미세 조정
    "in_batch_negatives_loss": "training.losses",
    "fine_tune": "training.fine_tune",
    # 그림
    "plot_similarity_matrix": "teaching.plots",
    "plot_score_distributions": "teaching.plots",
    "plot_embedding_map": "teaching.plots",
    "plot_loss_curve": "teaching.plots",
    "use_korean_font": "teaching.plots",
    # 살아 있는 부분
    "loss_explorer": "teaching.widgets",
    "sentence_lab": "teaching.widgets",
    "search_box": "teaching.widgets",
    # 연습과 퀴즈
    "check": "teaching.exercises",
    "show_quiz": "teaching.quiz",
    # 환경과 오류
    "check_environment": "teaching.environment",
    "LabseError": "errors",
    "InputError": "errors",
    "CorpusError": "errors",
    "ModelUnavailableError": "errors",
    "OutputError": "errors",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
