"use strict";
(() => {
const DATA = JSON.parse(document.getElementById("data").textContent);
const N = DATA.texts.length, SIZE = 10000, MOST_LISTED = 100, FAR = 14;
// Told apart by whoever sees no red, no green or no blue, and by their shapes too. After Paul Tol, "bright".
const COLOURS = ["#4477aa", "#ee6677", "#228833", "#aa3377", "#ccbb44", "#66ccee"], OTHER = "#8a8f98";
const SHAPES = ["circle", "square", "triangle", "diamond", "plus", "cross"], MOST_KINDS = 12;
// From dark blue to yellow, by brightness: after Nuñez and others, "cividis".
const SCALE = [[0, 34, 78], [53, 69, 108], [102, 105, 112], [148, 142, 119], [200, 184, 102], [254, 232, 56]];
const STEPS = 24, dark = matchMedia("(prefers-color-scheme: dark)");
const $ = (id) => document.getElementById(id);
const canvas = $("map"), context = canvas.getContext("2d"), tip = $("tip");

// All that is put on the page goes through these two: as text, never as HTML.
function make(tag, text, name) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (name) made.className = name;
  return made;
}
function drawn(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
const plain = (text) => text.replace(/\s+/g, " ");

const view = { zoom: 1, x: SIZE / 2, y: SIZE / 2 };  // what is in the middle
let width = 1, height = 1, ratio = 1;
let groups = new Uint8Array(N), kinds = [], only = -1;  // colour of each passage; of each colour, what it is
let lit = null, words = [];  // 1 for a passage that matches; null: nothing is asked for
let selected = -1, hovered = -1;

// -- colours --------------------------------------------------------------------------------------------

function colourBy(field) {
  kinds = [];
  groups = new Uint8Array(N);
  only = -1;
  if (field && field.numbers) byNumber(field); else byLabel(field);
  showLegend(field);
  light();
}
function byLabel(field) {
  if (!field) { kinds = [{ colour: COLOURS[0], shape: SHAPES[0], label: "passages", count: N }]; return; }
  const counts = new Array(field.labels.length).fill(0);
  let none = 0;
  for (const at of field.of) if (at < 0) none++; else counts[at]++;
  const order = counts.map((_, at) => at).sort((a, b) => counts[b] - counts[a] || (field.labels[a] < field.labels[b] ? -1 : 1));
  const shown = order.slice(0, MOST_KINDS), rest = order.length - shown.length;
  const place = new Map(shown.map((at, i) => [at, i]));
  // The second six have the first six's colours, each in another shape.
  kinds = shown.map((at, i) => ({ colour: COLOURS[i % 6], shape: SHAPES[(i + Math.floor(i / 6) * 3) % 6], label: field.labels[at] || "(empty)", count: counts[at] }));
  const other = kinds.length;
  if (rest) kinds.push({ colour: OTHER, shape: "circle", label: `${count(rest, "other value")}`, count: N - none - shown.reduce((sum, at) => sum + counts[at], 0) });
  const nothing = kinds.length;
  if (none) kinds.push({ colour: OTHER, shape: "ring", label: `no ${field.name}`, count: none });
  for (let i = 0; i < N; i++) groups[i] = field.of[i] < 0 ? nothing : place.has(field.of[i]) ? place.get(field.of[i]) : other;
}
function byNumber(field) {
  const [low, high] = range(field.numbers);
  for (let step = 0; step < STEPS; step++) kinds.push({ colour: ofScale(step / (STEPS - 1)), shape: "circle", label: "", count: 0 });
  kinds.push({ colour: OTHER, shape: "ring", label: `no ${field.name}`, count: 0 });
  for (let i = 0; i < N; i++) {
    const at = field.of[i];
    groups[i] = at < 0 ? STEPS : Math.min(STEPS - 1, Math.floor((field.numbers[at] / 2 - low / 2) / (high / 2 - low / 2) * STEPS));
    kinds[groups[i]].count++;
  }
  kinds.range = [low, high];
}
function ofScale(share) {
  const seen = dark.matches ? .3 + .7 * share : .88 * share;  // what is seen on either ground
  const at = Math.min(seen * (SCALE.length - 1), SCALE.length - 1.001), from = SCALE[Math.floor(at)], to = SCALE[Math.floor(at) + 1];
  return `rgb(${from.map((one, i) => Math.round(one + (to[i] - one) * (at % 1))).join(",")})`;
}
function swatch(kind) {
  const svg = drawn("svg", { viewBox: "-7 -7 14 14", "aria-hidden": "true" });
  const fill = kind.shape === "ring" ? { fill: "none", stroke: kind.colour, "stroke-width": 2 } : { fill: kind.colour };
  const lines = outline(kind.shape, 5);
  svg.append(lines ? drawn("polygon", { points: lines.map((p) => p.join(",")).join(" "), ...fill }) : drawn("circle", { r: kind.shape === "ring" ? 4 : 5, ...fill }));
  return svg;
}
function showLegend(field) {
  const legend = $("legend");
  legend.replaceChildren();
  if (!field) return;
  if (field.numbers) {
    const item = make("li"), key = make("span", undefined, "key"), svg = drawn("svg", { class: "scale", viewBox: `0 0 ${STEPS} 1`, preserveAspectRatio: "none", "aria-hidden": "true" });
    for (let step = 0; step < STEPS; step++) svg.append(drawn("rect", { x: step, y: 0, width: 1.05, height: 1, fill: kinds[step].colour }));
    key.append(make("span", String(kinds.range[0])), svg, make("span", String(kinds.range[1])));
    item.append(key);
    legend.append(item);
  }
  kinds.forEach((kind, group) => {
    if (field.numbers && (group < STEPS || !kind.count)) return;
    const item = make("li"), button = make("button");
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    button.append(swatch(kind), make("span", kind.label), make("span", kind.count.toLocaleString("en"), "soft"));
    button.addEventListener("click", () => {
      only = only === group ? -1 : group;
      for (const one of legend.querySelectorAll("button")) one.setAttribute("aria-pressed", String(one === button && only === group));
      light();
    });
    item.append(button);
    legend.append(item);
  });
}

// -- the map --------------------------------------------------------------------------------------------

function outline(shape, r) {
  const t = r / 3;
  if (shape === "square") return [[-r, -r], [r, -r], [r, r], [-r, r]].map(([x, y]) => [x * .85, y * .85]);
  if (shape === "triangle") return [[0, -r * 1.15], [r * 1.1, r * .85], [-r * 1.1, r * .85]];
  if (shape === "diamond") return [[0, -r * 1.25], [r * 1.25, 0], [0, r * 1.25], [-r * 1.25, 0]];
  const plus = [[-t, -r], [t, -r], [t, -t], [r, -t], [r, t], [t, t], [t, r], [-t, r], [-t, t], [-r, t], [-r, -t], [-t, -t]].map(([x, y]) => [x * 1.2, y * 1.2]);
  if (shape === "plus") return plus;
  if (shape === "cross") return plus.map(([x, y]) => [(x - y) * .7071, (x + y) * .7071]);
  return null;
}
function radius() { return (N < 300 ? 5.5 : N < 2000 ? 4 : N < 6000 ? 3 : 2.4) * Math.min(view.zoom ** .35, 2.2); }
const range = (values) => { let low = Infinity, high = -Infinity; for (const one of values) { low = Math.min(low, one); high = Math.max(high, one); } return [low, high]; };
const [LEFT, RIGHT] = range(DATA.x), [LOW, HIGH] = range(DATA.y);
const scale = () => Math.min((width - 30) / Math.max(RIGHT - LEFT, SIZE / 4), (height - 30) / Math.max(HIGH - LOW, SIZE / 4)) * view.zoom;
// The map's own axes point right and up.
const across = (i) => width / 2 + (DATA.x[i] - view.x) * scale();
const down = (i) => height / 2 - (DATA.y[i] - view.y) * scale();

function sprite(kind, r, edge) {
  const made = document.createElement("canvas"), side = Math.ceil((r * 1.4 + 2) * 2 * ratio);
  made.width = made.height = side;
  const pen = made.getContext("2d"), lines = outline(kind.shape, r);
  pen.scale(ratio, ratio);
  pen.translate(side / 2 / ratio, side / 2 / ratio);
  pen.beginPath();
  if (lines) { lines.forEach(([x, y], i) => i ? pen.lineTo(x, y) : pen.moveTo(x, y)); pen.closePath(); } else pen.arc(0, 0, r, 0, 7);
  pen.lineWidth = kind.shape === "ring" ? r / 2 : 1;
  pen.strokeStyle = kind.shape === "ring" && !edge ? kind.colour : edge || kind.colour;
  if (kind.shape !== "ring") { pen.fillStyle = kind.colour; pen.fill(); }
  if (edge || kind.shape === "ring") pen.stroke();
  return made;
}
let planned = false;
function redraw() {
  if (planned) return;
  planned = true;
  requestAnimationFrame(() => { planned = false; draw(); });
}
function draw() {
  const style = getComputedStyle(document.documentElement), ink = style.getPropertyValue("--ink"), faint = style.getPropertyValue("--faint"), accent = style.getPropertyValue("--accent");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  const r = radius(), all = kinds.map((kind) => sprite(kind, r)), bold = lit && kinds.map((kind) => sprite(kind, r + 1, ink));
  const quiet = lit && sprite({ shape: "circle", colour: faint }, r);
  const put = (image, i) => {
    const x = across(i), y = down(i);
    if (x > -20 && y > -20 && x < width + 20 && y < height + 20) context.drawImage(image, Math.round(x * ratio - image.width / 2), Math.round(y * ratio - image.height / 2));
  };
  context.globalAlpha = lit ? .8 : .85;
  for (let i = 0; i < N; i++) if (!lit) put(all[groups[i]], i); else if (!lit[i]) put(quiet, i);
  context.globalAlpha = 1;
  if (lit) for (let i = 0; i < N; i++) if (lit[i]) put(bold[groups[i]], i);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  if (selected >= 0) {
    context.strokeStyle = ink;
    context.lineWidth = 1;
    context.beginPath();
    for (const [other] of neighbours(selected)) { context.moveTo(across(selected), down(selected)); context.lineTo(across(other), down(other)); }
    context.stroke();
    for (const [other] of neighbours(selected)) ring(other, r + 2.5, ink, 1.5);
    ring(selected, r + 4, accent, 3);
  }
  if (hovered >= 0 && hovered !== selected) ring(hovered, r + 3, ink, 1.5);
  if (document.activeElement === canvas && canvas.matches(":focus-visible")) {
    context.strokeStyle = ink;
    context.lineWidth = 1;
    context.beginPath();
    for (const [x, y] of [[1, 0], [0, 1]]) for (const side of [-1, 1]) { context.moveTo(width / 2 + x * side * 4, height / 2 + y * side * 4); context.lineTo(width / 2 + x * side * 12, height / 2 + y * side * 12); }
    context.stroke();
  }
}
function ring(i, r, colour, thick) {
  context.beginPath();
  context.arc(across(i), down(i), r, 0, 7);
  context.strokeStyle = colour;
  context.lineWidth = thick;
  context.stroke();
}
function fit() {
  const box = canvas.getBoundingClientRect();
  width = box.width || 1;
  height = box.height || 1;
  ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  redraw();
}
function whole() {
  Object.assign(view, { zoom: 1, x: (LEFT + RIGHT) / 2, y: (LOW + HIGH) / 2 });
  redraw();
}
function zoom(by, x = width / 2, y = height / 2) {
  const before = scale(), next = Math.max(.5, Math.min(200, view.zoom * by));
  view.zoom = next;
  view.x += (x - width / 2) * (1 / before - 1 / scale());
  view.y -= (y - height / 2) * (1 / before - 1 / scale());
  redraw();
}
function move(x, y) {
  view.x = Math.max(0, Math.min(SIZE, view.x - x / scale()));
  view.y = Math.max(0, Math.min(SIZE, view.y + y / scale()));
  redraw();
}
function pointAt(x, y, far) {
  let best = -1, least = far * far;
  for (let i = 0; i < N; i++) {
    if (lit && !lit[i] && far < Infinity) continue;
    const a = across(i) - x, b = down(i) - y, distance = a * a + b * b;
    if (distance < least) { least = distance; best = i; }
  }
  return best;
}

const pointers = new Map();
let moved = 0;
const at = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
canvas.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  canvas.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, at(event));
  if (pointers.size === 1) moved = 0;
});
canvas.addEventListener("pointermove", (event) => {
  const [x, y] = at(event), before = pointers.get(event.pointerId);
  if (!before) return hover(x, y);
  if (pointers.size === 1) { move(x - before[0], y - before[1]); } else {
    const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
    const gap = (a) => Math.hypot(a[0] - other[0], a[1] - other[1]) || 1;
    zoom(gap([x, y]) / gap(before), (x + other[0]) / 2, (y + other[1]) / 2);
    move((x - before[0]) / 2, (y - before[1]) / 2);
    moved = FAR;
  }
  moved += Math.abs(x - before[0]) + Math.abs(y - before[1]);
  pointers.set(event.pointerId, [x, y]);
  hide();
});
canvas.addEventListener("pointerup", (event) => {
  if (!pointers.delete(event.pointerId) || pointers.size || moved > 5) return;
  const found = pointAt(...at(event), FAR);
  if (found >= 0) open(found, true);
});
canvas.addEventListener("pointercancel", (event) => pointers.delete(event.pointerId));
canvas.addEventListener("pointerleave", () => hide());
canvas.addEventListener("wheel", (event) => { event.preventDefault(); zoom(Math.exp(-Math.max(-300, Math.min(300, event.deltaY)) / 300), ...at(event)); }, { passive: false });
canvas.addEventListener("focus", redraw);
canvas.addEventListener("blur", redraw);
canvas.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const step = 40, doing = {
    ArrowLeft: () => move(step, 0), ArrowRight: () => move(-step, 0), ArrowUp: () => move(0, step), ArrowDown: () => move(0, -step),
    "+": () => zoom(1.4), "=": () => zoom(1.4), "-": () => zoom(1 / 1.4), "0": whole,
    Enter: () => open(pointAt(width / 2, height / 2, Infinity)), " ": () => open(pointAt(width / 2, height / 2, Infinity)),
  }[event.key];
  if (doing) { event.preventDefault(); doing(); }
});
function hover(x, y) {
  const found = pointAt(x, y, FAR);
  canvas.classList.toggle("over", found >= 0);
  if (found !== hovered) {
    hovered = found;
    redraw();
    if (found >= 0) tip.replaceChildren(make("b", DATA.labels[found]), make("span", plain(DATA.texts[found].slice(0, 140)), ""));
  }
  tip.hidden = found < 0;
  if (found < 0) return;
  tip.style.left = `${Math.max(4, Math.min(x + 14, width - tip.offsetWidth - 4))}px`;
  tip.style.top = `${y + 18 + tip.offsetHeight > height ? Math.max(2, y - 14 - tip.offsetHeight) : y + 18}px`;
}
function hide() { tip.hidden = true; if (hovered >= 0) { hovered = -1; redraw(); } }

// -- a passage ------------------------------------------------------------------------------------------

function neighbours(i) {
  const found = [];
  for (let at = i * DATA.k; at < (i + 1) * DATA.k; at++) found.push([DATA.near[at], DATA.cosines[at]]);
  return found;
}
function open(i, clicked) {
  if (i < 0) return;
  selected = i;
  const box = $("passage"), facts = make("dl");
  const heading = make("h2", DATA.labels[i]);
  heading.tabIndex = -1;
  for (const field of DATA.fields) if (field.of[i] >= 0) facts.append(make("dt", field.name), make("dd", field.labels[field.of[i]]));
  if (DATA.ids[i] !== DATA.labels[i]) facts.append(make("dt", "id"), make("dd", DATA.ids[i]));
  facts.append(make("dt", "length"), make("dd", count(DATA.lengths[i], "character")));
  box.replaceChildren(heading, marked(make("div", undefined, "text"), DATA.texts[i]));
  box.querySelector(".text").tabIndex = 0;
  if (DATA.lengths[i] > DATA.most) box.append(make("p", `The first ${DATA.most.toLocaleString("en")} characters.`, "soft"));
  box.append(facts);
  if (DATA.k) {
    const list = make("ol");
    for (const [other, cosine] of neighbours(i)) list.append(entry(other, cosine.toFixed(3)));
    box.append(make("h2", "Nearest by cosine"), list);
  }
  $("side").scrollTop = 0;
  // What a click on a button of the list removes takes the focus with it.
  if (document.activeElement === document.body || !document.activeElement) heading.focus({ preventScroll: true });
  if (clicked && $("side").getBoundingClientRect().top > window.innerHeight - 120) box.scrollIntoView({ block: "center" });
  redraw();
}
function entry(i, figure) {
  const item = make("li"), button = make("button"), head = make("b");
  button.type = "button";
  head.append(make("span", DATA.labels[i]));
  if (figure) head.append(make("i", figure));
  button.append(head, marked(make("span", undefined, "snippet"), snippet(DATA.texts[i])));
  button.addEventListener("click", () => { open(i); reveal(i); });
  button.addEventListener("mouseenter", () => { hovered = i; redraw(); });
  button.addEventListener("mouseleave", () => { hovered = -1; redraw(); });
  button.addEventListener("focus", () => { hovered = i; redraw(); });
  item.append(button);
  return item;
}
function snippet(text) {
  const first = words.length ? text.toLowerCase().indexOf(words[0]) : -1, from = first > 70 ? first - 50 : 0;
  return (from ? "… " : "") + plain(text.slice(from, from + 180));
}
function reveal(i) {
  const x = across(i), y = down(i);
  if (x < 8 || y < 8 || x > width - 8 || y > height - 8) Object.assign(view, { x: DATA.x[i], y: DATA.y[i] });
  redraw();
}
function marked(into, text) {
  const lower = text.toLowerCase();
  if (!words.length || lower.length !== text.length) { into.append(text); return into; }
  let from = 0;
  while (from < text.length) {
    let next = -1, length = 0;
    for (const word of words) { const found = lower.indexOf(word, from); if (found >= 0 && (next < 0 || found < next || (found === next && word.length > length))) { next = found; length = word.length; } }
    if (next < 0) break;
    into.append(text.slice(from, next), make("mark", text.slice(next, next + length)));
    from = next + length;
  }
  into.append(text.slice(from));
  return into;
}

// -- search ---------------------------------------------------------------------------------------------

let lowered = null;
function light() {
  words = $("words").value.toLowerCase().split(/\s+/).filter(Boolean);
  lowered = lowered || (words.length ? DATA.texts.map((text, i) => `${DATA.labels[i]}\n${text}`.toLowerCase()) : null);
  const matches = [];
  lit = words.length || only >= 0 ? new Uint8Array(N) : null;
  if (lit) for (let i = 0; i < N; i++) if ((only < 0 || groups[i] === only) && words.every((word) => lowered[i].includes(word))) { lit[i] = 1; matches.push(i); }
  $("matches").hidden = !lit;
  $("found").textContent = lit ? `${matches.length.toLocaleString("en")} of ${count(N, "passage")}` : "";
  $("list").replaceChildren(...matches.slice(0, MOST_LISTED).map((i) => entry(i)));
  if (selected >= 0) { const text = document.querySelector("#passage .text"); text.replaceChildren(); marked(text, DATA.texts[selected]); }
  if (lit) $("side").scrollTop = $("matches").offsetTop - $("side").offsetTop;
  $("more").textContent = matches.length > MOST_LISTED ? `and ${(matches.length - MOST_LISTED).toLocaleString("en")} more, on the map` : "";
  redraw();
}
let waiting = 0;
$("words").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(light, 80); });
$("words").addEventListener("keydown", (event) => { if (event.key === "Escape") { $("words").value = ""; light(); } });
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT)$/.test(document.activeElement.tagName)) return;
  event.preventDefault();
  $("words").focus();
});

// -- figures --------------------------------------------------------------------------------------------

function figure(values, caption, shown) {
  const made = make("figure"), most = Math.max(...values.counts), n = values.counts.length, axis = make("div", undefined, "axis");
  const svg = drawn("svg", { viewBox: `0 0 ${n} 100`, preserveAspectRatio: "none", role: "img" });
  const step = (values.high - values.low) / n;
  values.counts.forEach((number, i) => {
    const bar = drawn("rect", { class: "bar", x: i + .06, width: .88, y: 100 - (number ? Math.max(number / most * 100, .8) : 0), height: number ? Math.max(number / most * 100, .8) : 0 });
    const title = drawn("title", {});
    title.textContent = `${shown(values.low + i * step)} to ${shown(values.low + (i + 1) * step)}: ${number.toLocaleString("en")}`;
    bar.append(title);
    svg.append(bar);
  });
  svg.setAttribute("aria-label", `${caption}: from ${shown(values.low)} to ${shown(values.high)}, at most ${most.toLocaleString("en")} in a bar`);
  axis.append(make("span", shown(values.low)), make("span", `highest bar: ${most.toLocaleString("en")}`), make("span", shown(values.high) + (values.beyond ? " and more" : "")));
  made.append(make("figcaption", caption), svg, axis);
  return made;
}

// -- all of it ------------------------------------------------------------------------------------------

const about = DATA.about;
document.title = `Map of ${about.name}`;
$("title").textContent = document.title;
const size = about.shown < about.total ? `${about.shown.toLocaleString("en")} of ${count(about.total, "passage")}, drawn by lot` : count(about.shown, "passage");
$("about").textContent = [size, about.model, count(about.dimension, "dimension")].filter(Boolean).join(" · ");
canvas.setAttribute("aria-label", `Map of ${count(N, "passage")}; matches and neighbours are listed beside it`);
DATA.fields.forEach((field, i) => { const option = make("option", field.name.slice(0, 60)); option.value = String(i); $("field").append(option); });
$("choice").hidden = !DATA.fields.length;
const chosen = () => DATA.fields[Number($("field").value)];
$("field").addEventListener("change", () => colourBy(chosen()));
$("figures").append(figure(DATA.histograms.lengths, "Length of a passage, in characters", (value) => Math.round(value).toLocaleString("en")));
if (DATA.histograms.cosines) $("figures").append(figure(DATA.histograms.cosines, "Cosine of a passage and its nearest", (value) => value.toFixed(3)));
for (const [id, doing] of [["in", () => zoom(1.5)], ["out", () => zoom(1 / 1.5)], ["all", whole]]) $(id).addEventListener("click", doing);
dark.addEventListener("change", () => colourBy(chosen()));
new ResizeObserver(fit).observe(canvas);
fit();
whole();
colourBy(DATA.fields[0]);
requestAnimationFrame(() => requestAnimationFrame(() => { document.documentElement.dataset.ready = String(Math.round(performance.now())); }));
})();
