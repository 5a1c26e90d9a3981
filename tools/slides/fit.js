// 식을 다 조판한 뒤, 장면의 크기를 1280×720에 맞추고 reveal.js를 시작합니다.
const WIDTH = 1280, HEIGHT = 720, ROOM = {width: 1200, height: 640}, LARGEST = 1.3;

function fit(box) {
  let scale = LARGEST;  // 짧은 장면은 뒷자리에서도 읽히게 키웁니다
  for (let step = 0; step < 24; step++) {
    box.style.width = `${ROOM.width / scale}px`;
    const needed = Math.min(ROOM.height / (box.scrollHeight * scale), ROOM.width / (box.scrollWidth * scale));
    if (needed >= 0.999) break;
    scale *= Math.max(needed, 0.92);
  }
  box.style.transform = `scale(${scale})`;
  box.dataset.scale = scale.toFixed(3);
}

async function start() {
  await MathJax.startup.promise;
  await document.fonts.ready;
  await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
  document.querySelectorAll(".fit").forEach(fit);
  await Reveal.initialize({
    width: WIDTH, height: HEIGHT, margin: 0, center: false, hash: true, slideNumber: "c/t",
    transition: "none", plugins: [RevealNotes],
  });
  document.body.dataset.ready = "true";
}

window.addEventListener("load", start);
