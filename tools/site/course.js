// 옆으로 밀어 보는 코드 셀에 키보드로도 닿게 합니다(WCAG 2.1.1).
window.addEventListener("load", () => {
  for (const block of document.querySelectorAll("div.highlight pre")) block.tabIndex = 0;
});
