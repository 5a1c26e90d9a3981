"""강의 사이트의 Sphinx 설정. build_site.py가 원고 옆에 복사해 씁니다."""

from sphinx import search

project = "LaBSE로 배우는 다국어 문장 임베딩"
author = "LaBSE 강의"
language = "ko"
copyright = "강의 글·그림·말뭉치 CC BY 4.0"  # noqa: A001

extensions = ["myst_nb", "sphinx_copybutton", "sphinx.ext.mathjax", "sphinx-mathjax-offline"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # 커밋된 결과를 그대로 보입니다
nb_mime_priority_overrides = [("html", "application/javascript", 5)]
nb_code_prompt_show = "풀이 펼치기"
nb_code_prompt_hide = "풀이 접기"
copybutton_selector = "div.cell_input pre, div.highlight-bash pre"
suppress_warnings = ["mystnb.unknown_mime_type"]

html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["course.css"]
html_js_files = ["course.js"]
html_show_sphinx = False
html_use_index = False
html_copy_source = False
html_show_sourcelink = False
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"


class KoreanSearch(search.SearchLanguage):
    """한국어 색인: 어절과 그 앞부분을 함께 넣어, ‘말뭉치’로 ‘말뭉치는’과 ‘말뭉치에서’를 찾습니다."""

    lang = "ko"
    language_name = "Korean"
    js_stemmer_code = "class Stemmer { stemWord(word) { return word; } }"

    def split(self, text: str) -> list[str]:
        return [part for word in super().split(text) for part in self._prefixes(word)]

    def word_filter(self, word: str) -> bool:
        return len(word) > 1

    @staticmethod
    def _prefixes(word: str) -> list[str]:
        if not any("가" <= letter <= "힣" for letter in word):
            return [word]
        return [word[:end] for end in range(2, len(word) + 1)] or [word]


search.languages["ko"] = KoreanSearch
