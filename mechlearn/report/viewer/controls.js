// The moving picture of a report: turned, zoomed and actuated by hand.

// -- turning, moving, zooming -----------------------------------------------------------------

function turn(dx, dy) {
  const [cx, sx, cy, sy] = [Math.cos(dx), Math.sin(dx), Math.cos(dy), Math.sin(dy)];
  const t = view.turn;
  const [r, u, o] = [t.slice(0, 3), t.slice(3, 6), t.slice(6, 9)];
  // In space about the upright axis, like a turntable; a sheet about that of the screen.
  const about = (v) => flat ? v : [cx * v[0] + sx * v[1], cx * v[1] - sx * v[0], v[2]];
  let rows = flat
    ? [r.map((v, k) => cx * v + sx * -o[k]), u, o.map((v, k) => cx * v + sx * r[k])]
    : [r, u, o].map(about);
  rows = [rows[0], rows[1].map((v, k) => cy * v + sy * -rows[2][k]),
    rows[2].map((v, k) => cy * v + sy * rows[1][k])];
  view.turn = rows.flat();
}

function zoom(factor, x, y) {
  const next = Math.min(60, Math.max(0.3, view.zoom * factor)), f = next / view.zoom;
  view.x = (x - width / 2) * (1 - f) + f * view.x;
  view.y = (y - height / 2) * (1 - f) + f * view.y;
  view.zoom = next;
}

const fingers = new Map();
let moved = 0;
const at = (event) => {
  const frame = canvas.getBoundingClientRect();
  return [event.clientX - frame.left, event.clientY - frame.top];
};
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, at(event));
  moved = 0;
});
canvas.addEventListener("pointermove", (event) => {
  const before = fingers.get(event.pointerId);
  if (!before) return;
  const here = at(event), dx = here[0] - before[0], dy = here[1] - before[1];
  moved += Math.abs(dx) + Math.abs(dy);
  if (fingers.size === 2) {
    const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
    const apart = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]);
    zoom(apart(here) / Math.max(apart(before), 1), other[0], other[1]);
    view.x += dx / 2;
    view.y += dy / 2;
  } else if (event.shiftKey || event.buttons & 6) {
    view.x += dx;
    view.y += dy;
  } else if (fingers.size === 1) {
    turn(dx / 150, dy / 150);
  }
  fingers.set(event.pointerId, here);
  redraw();
});
for (const name of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(name, (event) => {
    if (name === "pointerup" && moved < 5 && fingers.size === 1) pick(...at(event));
    fingers.delete(event.pointerId);
  });
}
canvas.addEventListener("contextmenu", (event) => event.preventDefault());
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(Math.exp(-event.deltaY / 500), ...at(event));
  redraw();
}, {passive: false});
canvas.addEventListener("dblclick", reset);
canvas.addEventListener("keydown", (event) => {
  const step = {ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1],
    ArrowDown: [0, 0.1]}[event.key];
  if (step) turn(...step);
  else if (event.key === "+" || event.key === "=") zoom(1.2, width / 2, height / 2);
  else if (event.key === "-") zoom(1 / 1.2, width / 2, height / 2);
  else if (event.key === "0") reset();
  else return;
  event.preventDefault();
  redraw();
});
function reset() {
  Object.assign(view, {turn: straightOn(), zoom: 1, x: 0, y: 0});
  redraw();
}

// -- picking ----------------------------------------------------------------------------------

function pick(x, y) {
  let best = 12, found = -1;
  for (let p = 0; p < pieces; p++) {
    const [ax, ay, bx, by] = lines.subarray(4 * p, 4 * p + 4);
    const dx = bx - ax, dy = by - ay, long = dx * dx + dy * dy || 1;
    const t = Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / long));
    const away = Math.hypot(x - ax - t * dx, y - ay - t * dy);
    if (away < best) [best, found] = [away, bonds[p]];
  }
  shown.picked = found;
  tell();
  redraw();
}

function text(value) {
  const size = Math.abs(value);
  const plain = size === 0 || (size >= 1e-3 && size < 1e5);
  return (plain ? String(+value.toPrecision(4)) : value.toExponential(2)).replace(/-/g, "\u2212");
}

function tell() {
  const b = shown.picked;
  if (b < 0) {
    controls.bond.textContent = "Tap a bond to see its numbers.";
    return;
  }
  const said = [`Bond ${b}, nodes ${edges[2 * b]} and ${edges[2 * b + 1]}`,
    `length ${text(lengths[b])}`];
  for (const c of data.colourings) {
    if (c.before && !c.diverging) {
      said.push(`${c.name} ${text(c.before[b])} → ${text(c.after[b])}`);
    }
  }
  if (states()) {
    said.push(data.moves ? `strain ${text(100 * strainOf(b))} %` : `drop ${text(strainOf(b))}`);
  }
  controls.bond.textContent = said.join(" · ");
}

// -- controls ---------------------------------------------------------------------------------

function bar() {
  const colouring = data.colourings[shown.colouring], stops = [];
  for (let k = 0; k < SHADES; k += 7) {
    stops.push(`rgb(${[...colouring.colours.subarray(3 * k, 3 * k + 3)].join(" ")})`);
  }
  controls.bar.style.background = `linear-gradient(90deg, ${stops.join(", ")})`;
  const percent = colouring.strain && data.moves;
  const say = (v) => percent ? `${text(100 * v)} %` : text(v);
  controls.low.textContent = say(colouring.low);
  controls.high.textContent = say(colouring.high);
  controls.kind.textContent = colouring.log ? "logarithmic" : "";
}

function amplitude(value) {
  shown.amplitude = value;
  controls.amplitude.value = Math.round(1000 * value);
  controls.percent.textContent = `${Math.round(100 * value)} %`;
  if (shown.picked >= 0) tell();
  redraw();
}

function option(select, texts) {
  select.replaceChildren(...texts.map((t, k) => new Option(t, k)));
  select.closest("label").hidden = texts.length < 2;
}

option(controls.colouring, data.colourings.map((c) => c.name));
option(controls.example, data.examples.map((e) => e.title));
controls.colouring.addEventListener("change", () => {
  shown.colouring = +controls.colouring.value;
  bar();
  redraw();
});
controls.example.addEventListener("change", () => {
  shown.example = +controls.example.value;
  fit();
  available();
  tell();
  redraw();
});
for (const when of ["before", "after"]) {
  controls[when].addEventListener("click", () => { show(when); });
}
function show(when) {
  shown.when = when;
  for (const w of ["before", "after"]) controls[w].setAttribute("aria-pressed", w === when);
  tell();
  redraw();
}
function available() {
  const example = data.examples[shown.example];
  for (const w of ["before", "after"]) controls[w].disabled = !example[w];
  show(example[shown.when] ? shown.when : example.after ? "after" : "before");
}
controls.amplitude.addEventListener("input", () => {
  play(false);
  amplitude(controls.amplitude.value / 1000);
});
controls.play.addEventListener("click", () => play(!shown.playing));
controls.reset.addEventListener("click", reset);

let began = 0;
function play(on) {
  shown.playing = on;
  controls.play.textContent = on ? "Pause" : "Play";
  if (!on) return;
  began = performance.now() - 3000 * Math.acos(1 - 2 * shown.amplitude) / (2 * Math.PI);
  requestAnimationFrame(tick);
}
function tick(time) {
  if (!shown.playing) return;
  amplitude((1 - Math.cos(2 * Math.PI * Math.max(0, time - began) / 3000)) / 2);
  requestAnimationFrame(tick);
}

new ResizeObserver(() => { measure(); redraw(); }).observe(canvas);
window.addEventListener("beforeprint", () => { play(false); draw(); });
measure();
bar();
available();
amplitude(1);
draw();
box.dataset.ready = "yes";
