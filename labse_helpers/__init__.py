"""LaBSE로 배우는 다국어 문장 임베딩 강의의 도우미 패키지.

여기에 있는 이름이 공개된 전부입니다. 처음 쓰는 순간에 불러오므로 ``import labse_helpers``는 torch를 부르지 않습니다.
"""

from importlib import import_module

_HOME = {
    # 인코더
    "load_model": "models",
    "labse_is_cached": "models",
    "print_setup": "models",
    # 말뭉치
    "load_corpus": "corpora",
    "load_challenge": "corpora",
    # 검색과 채점
    "Retriever": "search",
    "Hit": "search",
    "exact_top_k": "search",
    "encode_file": "files",
    "return_most_similar": "retrieval",
    "margin_scores": "retrieval",
    "ranks": "retrieval",
    "estimate": "retrieval",
    "precision_at_1": "retrieval",
    "mean_reciprocal_rank": "retrieval",
    # 번역 캐기
    "mine_bitext": "mining",
    "load_mining_task": "mining_task",
    "precision_recall": "mining_task",
    "f1_at": "mining_task",
    # 손실과 미세 조정
    "in_batch_negatives_loss": "losses",
    "fine_tune": "training",
    # 그림
    "plot_similarity_matrix": "plots",
    "plot_score_distributions": "plots",
    "plot_embedding_map": "plots",
    "plot_loss_curve": "plots",
    "use_korean_font": "plots",
    # 살아 있는 부분
    "loss_explorer": "widgets",
    "sentence_lab": "widgets",
    "search_box": "widgets",
    # 연습과 퀴즈
    "check": "exercises",
    "show_quiz": "quiz",
    # 환경과 오류
    "check_environment": "environment",
    "InputError": "errors",
    "CorpusError": "errors",
    "ModelUnavailableError": "errors",
}

__all__ = list(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
