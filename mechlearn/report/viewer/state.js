// The moving picture of a report: its data, and what of it is shown. The other files go on from
// here: drawing.js, then controls.js.

const data = JSON.parse(document.getElementById("scene").textContent);
const box = document.getElementById("viewer");
const canvas = box.querySelector("canvas");
const pen = canvas.getContext("2d");
const controls = Object.fromEntries(
  [...box.querySelectorAll("[data-control]")].map((e) => [e.dataset.control, e]));
const DEPTHS = 24, SHADES = 64, WIDTHS = 12, FADE = 0.6, BACK = 0.3;

// -- the data ---------------------------------------------------------------------------------

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

// -- what is shown ----------------------------------------------------------------------------

const flat = data.dim === 2;
const straightOn = () => flat ? [1, 0, 0, 0, 1, 0, 0, 0, 1] : isometric();
function isometric() {
  const size = Math.hypot(...data.outlook), o = data.outlook.map((v) => v / size);
  const flat = Math.hypot(o[0], o[1]), r = [-o[1] / flat, o[0] / flat, 0];
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
