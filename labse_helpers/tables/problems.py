"""잘못된 줄: 모아서 알리거나(``"raise"``), 건너뛰고 파일에 적습니다(``"skip"``)."""

import csv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

from ..errors import CorpusError, OutputError
from ..storage.atomic import atomic_file, printable
from .encoding import visible

OnError = Literal["raise", "skip"]
MAX_REPORTED = 10  # 오류 메시지에 늘어놓는 줄의 최대 개수


class BadLines:
    """잘못된 줄을 하나씩 받습니다. 메모리에는 처음 열 줄의 이유만 둡니다."""

    def __init__(self, path: Path, on_error: OnError, stack: ExitStack) -> None:
        self.path, self.on_error = path, on_error
        self.count = 0
        self.report: Path | None = None
        self._first: list[str] = []
        self._stack = stack
        self._writer: Any = None

    def add(self, line: int, reason: str, text: str) -> None:
        self.count += 1
        if len(self._first) < MAX_REPORTED:
            self._first.append(f"  {line}번째 줄: {reason}")
        if self.on_error == "skip":
            if self._writer is None:
                self._open_report()
            self._writer.writerow([line, reason, visible(text)])

    def message(self) -> str:
        more = self.count - len(self._first)
        return "\n".join(
            [
                f"{printable(self.path)}: 잘못된 줄이 {self.count:,}개 있어 읽지 않았습니다. "
                '고치거나, 건너뛰려면 on_error="skip"(명령줄은 --skip-bad)을 주십시오.',
                *self._first,
                *([f"  … 그 밖에 {more:,}줄"] if more else []),
            ]
        )

    def _open_report(self) -> None:
        """건너뛴 줄을 적을 파일을 입력 옆에, 쓸 수 없으면 지금 폴더에 엽니다."""
        name = f"{self.path.name}.skipped.tsv"
        try:
            self.report = self.path.with_name(name)
            file = self._stack.enter_context(atomic_file(self.report))
        except OutputError:
            self.report = Path(name)
            file = self._stack.enter_context(atomic_file(self.report))
        self._writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        self._writer.writerow(["line", "reason", "text"])


@contextmanager
def bad_lines(path: Path, on_error: OnError) -> Iterator[BadLines]:
    """블록이 끝나면 잘못된 줄들을 알리거나, 건너뛴 개수와 적은 파일을 찍습니다.

    Raises:
        CorpusError: ``on_error="raise"``인데 잘못된 줄이 있을 때.
        OutputError: 건너뛴 줄을 적을 곳이 없을 때.
    """
    with ExitStack() as stack:
        bad = BadLines(path, on_error, stack)
        yield bad
        if bad.count and on_error == "raise":
            raise CorpusError(bad.message())
    if bad.report:
        print(
            f"{printable(path)}: 잘못된 줄 {bad.count:,}개를 건너뛰고 {printable(bad.report)}에 적었습니다."
        )
