// The moving picture: a network on a canvas, turned, zoomed and actuated by hand. No library.
"use strict";

(() => {
  const data = JSON.parse(document.getElementById("scene").textContent);
  const box = document.getElementById("viewer");
  const canvas = box.querySelector("canvas");
  const pen = canvas.getContext("2d");
  const controls = Object.fromEntries(
    [...box.querySelectorAll("[data-control]")].map((e) => [e.dataset.control, e]));
  const DEPTHS = 24, SHADES = 64, WIDTHS = 12, FADE = 0.6, BACK = 0.3;

  // -- the data --------------------------------------------------------------------------------

  function unpack(text, Kind) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    return new Kind(bytes.buffer);
  }
  const rest = unpack(data.nodes, Float32Array);
  const edges = unpack(data.edges, Uint32Array);
  const lengths = unpack(data.lengths, Float32Array);
  const ends = unpack(data.ends, Uint32Array);
  const bonds = unpack(data.bonds, Uint32Array);
  const shifts = unpack(data.shifts, Float32Array);
  const halves = unpack(data.halves, Uint8Array);
  const cell = data.cell ? unpack(data.cell, Float32Array) : null;
  const middle = [0, 1, 2].map(  // of the nodes: it stays where it is
    (c) => rest.reduce((sum, v, i) => (i % 3 === c ? sum + v : sum), 0) / (rest.length / 3));
  const n = rest.length / 3, m = lengths.length, pieces = bonds.length;
  for (const example of data.examples) {
    for (const when of ["before", "after"]) {
      const states = example[when];
      if (!states) continue;
      states.moved = unpack(states.moved, Float32Array);
      states.strains = unpack(states.strains, Float32Array);
      if (states.stretch) states.stretch = unpack(states.stretch, Float32Array);
    }
  }
  for (const colouring of data.colourings) {
    colouring.colours = unpack(colouring.colours, Uint8Array);
    for (const when of ["before", "after"]) {
      if (colouring[when]) colouring[when] = unpack(colouring[when], Float32Array);
    }
  }

  // -- what is shown ---------------------------------------------------------------------------

  const flat = data.dim === 2;
  const straightOn = () => flat ? [1, 0, 0, 0, 1, 0, 0, 0, 1] : isometric();
  function isometric() {
    const s = Math.SQRT1_2, out = [1, -1, 0.8], size = Math.hypot(...out);
    const o = out.map((v) => v / size), r = [s, s, 0];
    return [...r, o[1] * r[2] - o[2] * r[1], o[2] * r[0] - o[0] * r[2],
      o[0] * r[1] - o[1] * r[0], ...o];
  }
  const view = {turn: straightOn(), zoom: 1, x: 0, y: 0};
  const shown = {example: 0, when: "after", amplitude: 1, colouring: 0, picked: -1, playing: false};
  const centre = [0, 0, 0];
  {
    const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
    const include = (a) => {
      for (let k = 0; k < a.length; k++) {
        low[k % 3] = Math.min(low[k % 3], a[k]);
        high[k % 3] = Math.max(high[k % 3], a[k]);
      }
    };
    include(rest);
    if (cell) include(cell);
    for (let c = 0; c < 3; c++) centre[c] = (low[c] + high[c]) / 2;
  }

  const now = new Float32Array(3 * n);
  const values = new Float32Array(m);
  const stretch = new Float32Array(9), still = new Float32Array(9);  // of the periodic cell
  const screen = new Float32Array(3 * n);
  const lines = new Float32Array(4 * pieces);
  const keys = new Float64Array(pieces);

  function states() {
    return data.examples[shown.example][shown.when];
  }

  // Between two states that were solved for the viewer goes straight.
  function settle() {
    const all = states(), at = data.amplitudes;
    let k = 0;
    while (k < at.length - 2 && at[k + 1] < shown.amplitude) k++;
    const t = (shown.amplitude - at[k]) / (at[k + 1] - at[k]);
    const mix = (array, size, i) => (1 - t) * array[k * size + i] + t * array[(k + 1) * size + i];
    for (let i = 0; i < 3 * n; i++) now[i] = rest[i] + data.factor * mix(all.moved, 3 * n, i);
    if (all.stretch) {
      for (let i = 0; i < 9; i++) stretch[i] = data.factor * mix(all.stretch, 9, i);
    }
    const colouring = data.colourings[shown.colouring];
    const given = colouring.strain ? null : colouring[shown.when];
    for (let b = 0; b < m; b++) values[b] = given ? given[b] : mix(all.strains, m, b);
  }

  function strainOf(bond) {
    const all = states(), at = data.amplitudes;
    let k = 0;
    while (k < at.length - 2 && at[k + 1] < shown.amplitude) k++;
    const t = (shown.amplitude - at[k]) / (at[k + 1] - at[k]);
    return (1 - t) * all.strains[k * m + bond] + t * all.strains[(k + 1) * m + bond];
  }

  function part(colouring, value) {
    let {low, high} = colouring;
    if (colouring.log) [value, low, high] = [value, low, high].map(Math.log);
    return Math.min(1, Math.max(0, (value - low) / (high - low)));
  }

  // -- drawing ---------------------------------------------------------------------------------

  let width = 0, height = 0, ratio = 1, scale = 1;

  function measure() {
    ratio = Math.min(window.devicePixelRatio || 1, 2);
    width = canvas.clientWidth;
    height = canvas.clientHeight;
    canvas.width = Math.max(1, Math.round(width * ratio));
    canvas.height = Math.max(1, Math.round(height * ratio));
    fit();
  }

  // The scale at which everything is in view, at rest and under the full load, as turned at first.
  let fitted = 1;
  function fit() {
    const t = straightOn();
    let x = 1e-9, y = 1e-9;
    const reach = data.arrow + 2 * data.mark;
    const look = (a, by = null, from = 0) => {
      const moved = (i) => a[i] + (by ? data.factor * by[from + i] : 0);
      for (let i = 0; i < a.length; i += 3) {
        const v = [0, 1, 2].map((c) => moved(i + c) - centre[c]);
        x = Math.max(x, Math.abs(t[0] * v[0] + t[1] * v[1] + t[2] * v[2]));
        y = Math.max(y, Math.abs(t[3] * v[0] + t[4] * v[1] + t[5] * v[2]));
      }
    };
    look(rest);
    if (cell) look(cell);
    for (const when of ["before", "after"]) {
      const all = data.examples[shown.example][when];
      if (all) look(rest, all.moved, all.moved.length - 3 * n);
    }
    fitted = Math.min(width / 2 / (x + reach), height / 2 / (y + reach));
  }

  function project(x, y, z) {
    const t = view.turn;
    x -= centre[0]; y -= centre[1]; z -= centre[2];
    return [
      width / 2 + view.x + scale * (t[0] * x + t[1] * y + t[2] * z),
      height / 2 + view.y - scale * (t[3] * x + t[4] * y + t[5] * z),
      t[6] * x + t[7] * y + t[8] * z,
    ];
  }

  // A vector that is fixed to the periodic cell, where that is strained.
  function strained(by, x, y, z) {
    return [x + by[0] * x + by[1] * y + by[2] * z, y + by[3] * x + by[4] * y + by[5] * z,
      z + by[6] * x + by[7] * y + by[8] * z];
  }

  // Where a place that is fixed to the periodic cell is now.
  const withCell = (p) =>
    strained(stretch, ...middle.map((v, c) => p[c] - v)).map((v, c) => v + middle[c]);

  function place(from, by) {
    for (let i = 0; i < n; i++) {
      const p = project(from[3 * i], from[3 * i + 1], from[3 * i + 2]);
      screen[3 * i] = p[0]; screen[3 * i + 1] = p[1]; screen[3 * i + 2] = p[2];
    }
    for (let p = 0; p < pieces; p++) {
      const a = 3 * ends[2 * p], b = 3 * ends[2 * p + 1];
      let x = screen[b], y = screen[b + 1];
      if (halves[p]) {
        const s = strained(by, shifts[3 * p], shifts[3 * p + 1], shifts[3 * p + 2]);
        const q = project(from[b] + s[0], from[b + 1] + s[1], from[b + 2] + s[2]);
        x = (screen[a] + q[0]) / 2;
        y = (screen[a + 1] + q[1]) / 2;
      }
      lines[4 * p] = screen[a]; lines[4 * p + 1] = screen[a + 1];
      lines[4 * p + 2] = x; lines[4 * p + 3] = y;
    }
  }

  function stroke(p) {
    pen.moveTo(lines[4 * p], lines[4 * p + 1]);
    pen.lineTo(lines[4 * p + 2], lines[4 * p + 3]);
  }

  const upright = () => flat && Math.abs(view.turn[8]) > 0.999;

  function draw() {
    if (!states()) return;
    settle();
    scale = fitted * view.zoom;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.lineCap = "round";
    pen.lineJoin = "round";
    if (cell) drawCell();
    pen.strokeStyle = data.colours.ghost;
    pen.lineWidth = Math.max(0.6, 0.3 * data.thick * scale);
    pen.globalAlpha = 0.7;
    pen.beginPath();
    place(rest, still);
    for (let p = 0; p < pieces; p++) stroke(p);
    pen.stroke();
    pen.globalAlpha = 1;
    place(now, stretch);
    drawBonds();
    if (shown.picked >= 0) drawPicked();
    drawSupports();
    for (const mark of data.examples[shown.example].marks) drawMark(mark);
  }

  function drawCell() {
    pen.strokeStyle = data.colours.cell;
    pen.lineWidth = 1.2;
    pen.beginPath();
    for (let k = 0; k < cell.length; k += 6) {
      const [a, b] = [k, k + 3].map((i) => project(...withCell(cell.subarray(i, i + 3))));
      pen.moveTo(a[0], a[1]);
      pen.lineTo(b[0], b[1]);
    }
    pen.stroke();
  }

  // From back to front, paling with distance; in the plane the thicker above the thinner.
  function drawBonds() {
    const colouring = data.colourings[shown.colouring], plane = upright();
    let near = -Infinity, far = Infinity;
    for (let i = 0; i < n; i++) {
      near = Math.max(near, screen[3 * i + 2]);
      far = Math.min(far, screen[3 * i + 2]);
    }
    const deep = Math.max(near - far, 1e-12);
    const layers = pieces < 6000 ? 2000 : DEPTHS;
    for (let p = 0; p < pieces; p++) {
      const t = part(colouring, values[bonds[p]]);
      const thick = colouring.diverging ? 0.25 + 0.75 * Math.abs(2 * t - 1) : t;
      const shade = Math.round(t * (SHADES - 1)), w = Math.round(thick * (WIDTHS - 1));
      const z = (screen[3 * ends[2 * p] + 2] + screen[3 * ends[2 * p + 1] + 2]) / 2;
      const layer = plane ? w : Math.min(layers - 1, Math.floor((z - far) / deep * layers));
      keys[p] = (((layer * WIDTHS + w) * SHADES + shade) * 2 + halves[p]) * 2 ** 20 + p;
    }
    keys.sort();
    let last = -1;
    for (const key of keys) {
      const style = Math.floor(key / 2 ** 20), p = key - style * 2 ** 20;
      if (style !== last) {
        if (last >= 0) pen.stroke();
        const half = style & 1, shade = (style >> 1) % SHADES;
        const w = Math.floor(style / (2 * SHADES)) % WIDTHS;
        const layer = Math.floor(style / (2 * SHADES * WIDTHS));
        const away = plane ? 0 : 1 - (layer + 0.5) / layers;
        const pale = (flat ? BACK : FADE) * away ** 1.3;
        const c = colouring.colours.subarray(3 * shade, 3 * shade + 3);
        const mix = (v) => Math.round(v + (255 - v) * Math.max(pale, half ? 0.45 : 0));
        pen.strokeStyle = `rgb(${mix(c[0])} ${mix(c[1])} ${mix(c[2])})`;
        const radius = data.thick * (0.16 + 0.84 * w / (WIDTHS - 1));
        pen.lineWidth = Math.max(0.8, 2 * radius * scale);
        pen.beginPath();
        last = style;
      }
      stroke(p);
    }
    if (last >= 0) pen.stroke();
  }

  function drawPicked() {
    pen.beginPath();
    for (let p = 0; p < pieces; p++) if (bonds[p] === shown.picked) stroke(p);
    for (const [colour, extra] of [["#fff", 9], ["#20242a", 5], ["#ffd43b", 2]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = data.thick * scale + extra;
      pen.stroke();
    }
  }

  function drawSupports() {
    const side = Math.max(4, 1.7 * data.mark * scale);
    pen.fillStyle = data.colours.support;
    for (const i of data.supports) {
      pen.fillRect(screen[3 * i] - side / 2, screen[3 * i + 1] - side / 2, side, side);
    }
  }

  function drawMark(mark) {
    const size = Math.max(4, data.mark * scale), gap = 1.35 * size;
    const long = Math.max(16, data.arrow * scale), t = view.turn;
    // An arrow at a place on the canvas, with a gap or ending there.
    const drawArrow = (at, x, y, z, gap, here = false) => {
      const to = [t[0] * x + t[1] * y + t[2] * z, -(t[3] * x + t[4] * y + t[5] * z)];
      const start = here ? -(gap + long) : gap;
      arrow(at[0] + start * to[0], at[1] + start * to[1], long * to[0], long * to[1], size,
        mark.colour);
    };
    const node = (i) => screen.subarray(3 * i, 3 * i + 3);
    for (const [a, b, x, y, z, pull] of mark.pairs) {
      const s = strained(stretch, x, y, z);
      const end = [0, 1, 2].map((c) => now[3 * b + c] + s[c]), q = project(...end);
      pen.strokeStyle = mark.colour;
      pen.lineWidth = 0.6 * size;
      pen.beginPath();
      pen.moveTo(screen[3 * a], screen[3 * a + 1]);
      pen.lineTo(q[0], q[1]);
      pen.stroke();
      if (!pull) continue;
      const apart = end.map((v, c) => v - now[3 * a + c]), length = Math.hypot(...apart);
      const way = apart.map((v) => pull * v / length);
      drawArrow(node(a), ...way.map((v) => -v), gap, pull < 0);
      drawArrow(node(b), ...way, gap, pull < 0);
    }
    for (const [start, along] of mark.sides) drawArrow(project(...withCell(start)), ...along, 0);
    for (const [i, x, y, z] of mark.arrows) drawArrow(node(i), x, y, z, gap);
    for (const i of mark.nodes) {
      pen.beginPath();
      pen.arc(screen[3 * i], screen[3 * i + 1], size, 0, 2 * Math.PI);
      pen.fillStyle = mark.active ? mark.colour : "#fff";
      pen.strokeStyle = mark.active ? "#fff" : mark.colour;
      pen.lineWidth = mark.active ? 1.5 : 2.5;
      pen.fill();
      pen.stroke();
    }
  }

  function arrow(x, y, dx, dy, size, colour) {
    const long = Math.hypot(dx, dy);
    if (long < 3) return;
    const ux = dx / long, uy = dy / long, tip = Math.min(0.5 * long, 2.2 * size);
    const side = 1.1 * size, shaft = 0.4 * size;
    const corner = (along, across) => [x + along * ux - across * uy, y + along * uy + across * ux];
    pen.beginPath();
    for (const [k, c] of [[0, shaft], [long - tip, shaft], [long - tip, side], [long, 0],
      [long - tip, -side], [long - tip, -shaft], [0, -shaft]].entries()) {
      const p = corner(...c);
      if (k) pen.lineTo(...p); else pen.moveTo(...p);
    }
    pen.closePath();
    pen.strokeStyle = "#fff";
    pen.lineWidth = 3;
    pen.stroke();
    pen.fillStyle = colour;
    pen.fill();
  }

  let waiting = false;
  function redraw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  }

  // -- turning, moving, zooming ----------------------------------------------------------------

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

  // -- picking ---------------------------------------------------------------------------------

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

  // -- controls --------------------------------------------------------------------------------

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
})();
