"""네트워크를 끊은 브라우저에서: 슬라이드와 사이트의 모든 쪽이 오류 없이, 넘치지 않게, 누구나 읽을 수 있게 열리는가."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from shared import ROOT, SHOTS

SLIDES = sorted((ROOT / "build" / "slides").glob("*.html"))
SITE = ROOT / "build" / "site"
PAGES = sorted(path for path in SITE.rglob("*.html") if "_static" not in path.parts)
PHONE, DESKTOP = (390, 844), (1280, 800)
SMALLEST_SCALE = 0.5  # 이보다 줄여야 들어가는 장면은 나누어야 합니다
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}


def korean_font_is_loaded(page) -> bool:
    """함께 넣은 글꼴을 브라우저가 정말 읽었는가. 시스템에 한글 글꼴이 있으면 눈으로는 모릅니다."""
    return page.evaluate(
        "document.fonts.load('20px Nanum', '가').then((faces) => faces.length > 0, () => false)"
    )


def text_without_korean_font(page) -> list[str]:
    """함께 넣은 글꼴을 쓰지 않는 글과 코드. 시스템에 한글 글꼴이 없으면 네모로 나옵니다."""
    return page.evaluate(
        """() => [...document.querySelectorAll('p, li, td, pre, code')]
          .filter((e) => !getComputedStyle(e).fontFamily.includes('Nanum')).map((e) => e.outerHTML.slice(0, 80))"""
    )


def test_there_is_something_to_look_at():
    assert len(SLIDES) == len(list((ROOT / "notebooks").glob("*.ipynb"))), "`make slides`를 먼저 실행하십시오"
    assert len(PAGES) > len(SLIDES), "`make site`를 먼저 실행하십시오"


@pytest.mark.parametrize("deck", SLIDES, ids=lambda path: path.stem)
def test_every_slide_fits_and_stays_offline(deck, offline_page):
    page, watch = offline_page(1280, 720)
    page.goto(deck.as_uri())
    page.locator("body[data-ready=true]").wait_for(timeout=60_000)
    total = page.evaluate("Reveal.getTotalSlides()")
    assert total >= 3
    for number in range(total):
        box = page.evaluate(
            """() => {
              const slide = Reveal.getCurrentSlide(), box = slide.querySelector('.fit');
              const inner = [...box.querySelectorAll('*')].map((e) => e.getBoundingClientRect());
              return {
                right: Math.max(...inner.map((r) => r.right), 0), bottom: Math.max(...inner.map((r) => r.bottom), 0),
                scale: Number(box.dataset.scale), text: box.innerText.slice(0, 60), pictures: [...box.querySelectorAll('img')].map((i) => [i.alt, i.naturalWidth]),
              };
            }"""
        )
        assert box["right"] <= 1280, box
        assert box["bottom"] <= 720, box
        assert box["scale"] >= SMALLEST_SCALE, box
        assert all(alt and width for alt, width in box["pictures"]), box
        if number % 6 == 1:
            page.screenshot(path=SHOTS / f"slides-{deck.stem}-{number:02d}.png")
        page.evaluate("Reveal.next()")
    assert page.locator("aside.notes").count() >= 2
    assert page.evaluate("getComputedStyle(document.querySelector('.reveal')).wordBreak") == "keep-all"
    assert korean_font_is_loaded(page)
    assert text_without_korean_font(page) == []
    assert not watch.errors
    assert not watch.outside


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_page_of_the_site(path, size, offline_page):
    page, watch = offline_page(*size)
    page.goto(path.as_uri())
    page.wait_for_load_state("load")
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0], "가로로 넘칩니다"
    assert page.evaluate("[...document.images].filter((i) => !i.alt).map((i) => i.src.slice(0, 80))") == []
    assert (
        page.evaluate("[...document.images].filter((i) => i.complete && !i.naturalWidth).map((i) => i.src)")
        == []
    )
    assert "�" not in page.inner_text("body")
    assert korean_font_is_loaded(page)
    assert text_without_korean_font(page) == []
    page.screenshot(path=SHOTS / f"site-{path.stem}-{size[0]}.png")
    assert not watch.errors
    assert not watch.outside


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_accessibility(path, scheme, offline_page):
    page, _ = offline_page(*DESKTOP, color_scheme=scheme)
    page.goto(path.as_uri())
    page.wait_for_timeout(500)
    found = Axe().run(page, options=RULES).response["violations"]
    assert [(v["id"], [node["target"] for node in v["nodes"]][:3]) for v in found] == []


def test_korean_word_is_found(offline_page):
    page, watch = offline_page(*DESKTOP)
    page.goto(f"{(SITE / 'search.html').as_uri()}?q=말뭉치")
    page.locator("#search-results li").first.wait_for(timeout=10_000)
    page.wait_for_timeout(1_000)
    assert page.locator("#search-results li").count() >= 3
    page.screenshot(path=SHOTS / "site-search-results.png")
    assert not watch.outside


def test_keyboard_reaches_navigation_and_code_copy(offline_page):
    page, _ = offline_page(*DESKTOP)
    page.goto((SITE / "notebooks" / "03_embedding.html").as_uri())
    page.wait_for_timeout(500)
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.tagName + '.' + document.activeElement.className"))
    assert any(name.startswith("A.") for name in reached)
    assert any("copybtn" in name for name in reached), reached
