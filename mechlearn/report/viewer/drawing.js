// The moving picture of a report, drawn on a canvas. No library.

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
