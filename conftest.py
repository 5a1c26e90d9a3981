"""테스트의 환경: 사용자의 셸에서 정한 값이 테스트와 노트북의 결과를 바꾸지 않습니다."""

import os

# 노트북의 출력은 내장 인코더의 것과 비교합니다. LaBSE가 캐시에 있는 컴퓨터에서도 같아야 합니다.
os.environ["LABSE_MODEL"] = "muse"
# Makefile의 unexport와 같은 목록입니다.
for name in (
    "MPLBACKEND",
    "FORCE_COLOR",
    "NO_COLOR",
    "COLUMNS",
    "LINES",
    "PYTHONWARNINGS",
    "PYTHONIOENCODING",
    "PYTHONOPTIMIZE",
    "PYTHONDEVMODE",
    "PYTHONDONTWRITEBYTECODE",
    "TQDM_DISABLE",
    "TRANSFORMERS_VERBOSITY",
    "HF_HUB_VERBOSITY",
):
    os.environ.pop(name, None)
