// The view of the review: draws the item that Python shows and sends back what was pressed.
// All that matters is decided in Python; what is only looked at (zoom, mode) stays here.

const KEYS = [
  ["a", "accept: the new mask is right"],
  ["r", "reject: keep the old mask"],
  ["s", "skip: cannot tell"],
  ["f", "flag: somebody else should look"],
  ["n", "write a note (Enter saves it)"],
  ["u", "undo the last verdict or note (also Ctrl+Z)"],
  ["→  ←", "next, previous item (also j, k)"],
  ["g", "go to the next undecided item"],
  ["Home  End", "first, last item"],
  ["1  2  3", "side by side, one picture, difference"],
  ["Space", "hold to blink: the old mask in place of the new one"],
  ["h", "hold to hide all masks"],
  ["o", "the other instances of the picture, on and off"],
  ["z", "zoom to the instance, and back to the whole picture"],
  ["+  -", "zoom in, out (also the wheel, at the cursor)"],
  ["drag", "move the picture"],
  ["?", "this list"],
  ["Esc", "close this list, or give the keys back to the notebook"],
];
const VERDICTS = { a: "accept", r: "reject", s: "skip", f: "flag" };
const DONE = { accept: "accepted", reject: "rejected", skip: "skipped", flag: "flagged" };
const MODES = { 1: "split", 2: "single", 3: "difference" };
const ADDED = "#1e9bff";
const REMOVED = "#ff6a13";
const KEPT = "#ffffff";
const WIDE = 1500; // px of the widget from which the difference stands beside the two masks
const SEEN = 700; // ms until whoever decides again takes the last key for lost
const PATIENCE = 4000; // ms until the kernel counts as silent

// Masks: compressed run lengths (column by column) to bits of their box, outlines, tints.

function decodeRuns(text) {
  const runs = [];
  for (let i = 0; i < text.length; ) {
    let value = 0, shift = 0, group;
    do {
      group = text.charCodeAt(i++) - 48;
      value |= (group & 31) << shift;
      shift += 5;
    } while (group & 32);
    if (group & 16) value |= -1 << shift;
    runs.push(runs.length > 2 ? value + runs[runs.length - 2] : value);
  }
  return runs;
}

function decode({ counts, box: [x, y, w, h] }, height) {
  const bits = new Uint8Array(w * h);
  let at = 0, on = false;
  for (const run of decodeRuns(counts)) {
    for (let p = at; on && p < at + run; ) {
      const column = Math.floor(p / height);
      const stop = Math.min(at + run, (column + 1) * height) - column * height;
      for (let row = p - column * height; row < stop; row++) bits[(row - y) * w + column - x] = 1;
      p = column * height + stop;
    }
    at += run;
    on = !on;
  }
  return { bits, x, y, w, h };
}

// The border between the pixels, as straight lines along rows and columns.
function outline({ bits, x, y, w, h }) {
  const path = new Path2D(), wide = w + 2;
  const padded = new Uint8Array(wide * (h + 2));
  for (let row = 0; row < h; row++) padded.set(bits.subarray(row * w, (row + 1) * w), (row + 1) * wide + 1);
  const trace = (lines, length, line, step, draw) => {
    for (let n = 0; n <= lines; n++) {
      let start = -1;
      for (let i = 0, at = n * line + step; i <= length; i++, at += step) {
        const edge = padded[at] !== padded[at + line];
        if (edge && start < 0) start = i;
        else if (!edge && start >= 0) { draw(n, start, i); start = -1; }
      }
    }
  };
  trace(h, w, wide, 1, (n, from, to) => { path.moveTo(x + from, y + n); path.lineTo(x + to, y + n); });
  trace(w, h, 1, wide, (n, from, to) => { path.moveTo(x + n, y + from); path.lineTo(x + n, y + to); });
  return path;
}

// "#rrggbb" and an opacity as one pixel of image data.
function packed(colour, alpha) {
  const parts = [1, 3, 5].map((n) => parseInt(colour.slice(n, n + 2), 16));
  return new Uint32Array(new Uint8Array([...parts, 255 * alpha]).buffer)[0];
}

function tint({ bits, w, h }, colour, alpha) {
  const canvas = new OffscreenCanvas(Math.max(w, 1), Math.max(h, 1));
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(canvas.width, canvas.height);
  const whole = new Uint32Array(pixels.data.buffer), value = packed(colour, alpha);
  for (let i = 0; i < bits.length; i++) if (bits[i]) whole[i] = value;
  context.putImageData(pixels, 0, 0);
  return canvas;
}

function layerOf(mask, colour, alpha) {
  return { x: mask.x, y: mask.y, colour, path: outline(mask), fill: tint(mask, colour, alpha) };
}

// Kept, added and removed pixels of two masks (either may be null), as layers on their common box.
function difference(before, after) {
  const both = [before, after].filter(Boolean);
  const x = Math.min(...both.map((m) => m.x)), y = Math.min(...both.map((m) => m.y));
  const w = Math.max(...both.map((m) => m.x + m.w)) - x, h = Math.max(...both.map((m) => m.y + m.h)) - y;
  const codes = new Uint8Array(w * h);
  for (const mask of both) {
    const code = mask === before ? 1 : 2;
    for (let row = 0, i = 0; row < mask.h; row++) {
      let at = (mask.y - y + row) * w + mask.x - x;
      for (const end = i + mask.w; i < end; i++, at++) if (mask.bits[i]) codes[at] |= code;
    }
  }
  const part = (code) => {
    const bits = new Uint8Array(w * h);
    for (let i = 0; i < bits.length; i++) if (codes[i] === code) bits[i] = 1;
    return { bits, x, y, w, h };
  };
  return [layerOf(part(3), KEPT, 0.12), layerOf(part(1), REMOVED, 0.6), layerOf(part(2), ADDED, 0.6)];
}

// All instances of one source, faint, in one canvas of the picture's size: by pixels, for there may
// be many, and nobody looks at them closely.
function context(masks, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const drawing = canvas.getContext("2d");
  const pixels = drawing.createImageData(width, height), whole = new Uint32Array(pixels.data.buffer);
  const thick = Math.max(1, Math.round(width / 600));
  for (const mask of masks) {
    const { bits, x, y, w, h } = decode(mask, height), far = thick * w;
    const line = packed(mask.colour, 0.75), fill = packed(mask.colour, 0.14);
    for (let row = 0, i = 0; row < h; row++) {
      const from = i, to = i + w, inside = row >= thick && row < h - thick;
      for (let at = (y + row) * width + x; i < to; i++, at++) {
        if (!bits[i]) continue;
        const inner = inside && i >= from + thick && i < to - thick
          && bits[i - thick] & bits[i + thick] & bits[i - far] & bits[i + far];
        if (!inner) whole[at] = line;
        else if (whole[at] >>> 24 < 100) whole[at] = fill;
      }
    }
  }
  drawing.putImageData(pixels, 0, 0);
  return canvas;
}

// A few made things by key, the oldest forgotten first.
class Shelf {
  constructor(size) { this.size = size; this.things = new Map(); }
  get(key, make) {
    if (!this.things.has(key)) this.things.set(key, make());
    if (this.things.size > this.size) this.things.delete(this.things.keys().next().value);
    return this.things.get(key);
  }
}

const shelves = () => ({ pictures: new Shelf(4), contexts: new Shelf(8), items: new Shelf(4) });

function prepare(shelf, scene, bytes) {
  return shelf.items.get(scene.key, async () => {
    const bitmap = await shelf.pictures.get(scene.picture, () =>
      bytes.byteLength ? createImageBitmap(new Blob([bytes], { type: "image/jpeg" })).catch(() => null) : null);
    const sides = {}, masks = {};
    for (const name of ["before", "after"]) {
      const side = scene[name];
      const focus = side.focus === null ? null : side.masks[side.focus];
      masks[name] = focus && decode(focus, scene.height);
      sides[name] = {
        focus: focus ? [layerOf(masks[name], focus.colour, 0.26)] : [],
        others: shelf.contexts.get(`${scene.picture} ${name}`, () => context(side.masks, scene.width, scene.height)),
      };
    }
    sides.difference = { focus: difference(masks.before, masks.after), others: null };
    return { scene, bitmap, sides, box: boxAround([masks.before, masks.after].filter(Boolean)) };
  });
}

function boxAround(masks) {
  const x = Math.min(...masks.map((m) => m.x)), y = Math.min(...masks.map((m) => m.y));
  const right = Math.max(...masks.map((m) => m.x + m.w)), bottom = Math.max(...masks.map((m) => m.y + m.h));
  return { x, y, w: right - x, h: bottom - y };
}

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

class ReviewView {
  constructor(model, el) {
    this.model = model;
    this.shelf = shelves();
    this.mode = "split";
    this.follow = "instance"; // what a new item is zoomed to
    this.others = true;
    this.held = null; // "before" or "bare" while its key is down
    this.camera = { x: 0, y: 0, zoom: 1 };
    this.item = null;
    this.waiting = null; // id of the command that Python has not answered yet
    this.typed = []; // commands typed meanwhile
    this.build(el);
    this.listen();
    this.onAnswer = () => this.refresh();
    this.onAhead = () => this.prefetch();
    model.on("change:status", this.onAnswer); // in every answer; its picture comes with it
    model.on("change:ahead", this.onAhead);
    this.refresh().then(this.onAhead);
  }

  // The page.

  build(el) {
    this.root = make("div", { className: "mask-review", tabIndex: 0 });
    this.root.dataset.lmSuppressShortcuts = "true";
    this.root.setAttribute("role", "application");
    this.root.setAttribute("aria-label", "Review of masks; press question mark for the keys");
    this.bar = make("div", { className: "mr-bar" });
    this.stage = make("div", { className: "mr-stage" });
    this.panes = ["before", "after", "difference"].map((name) => {
      const canvas = make("canvas"), label = make("span", { className: "mr-label" });
      const node = make("div", { className: "mr-pane" }, canvas, label);
      this.stage.append(node);
      return { name, node, canvas, label };
    });
    this.facts = make("div", { className: "mr-facts" });
    this.actions = make("div", { className: "mr-actions" });
    this.note = make("input", { className: "mr-note", type: "text", placeholder: "note (n)", maxLength: 500 });
    this.message = make("div", { className: "mr-message" });
    this.message.setAttribute("role", "status");
    this.foot = make("div", { className: "mr-foot" });
    this.help = this.buildHelp();
    this.buildBar();
    this.buildActions();
    this.root.append(this.bar, this.stage, this.facts, this.actions, this.foot, this.help);
    el.append(this.root);
  }

  buildHelp() {
    const rows = KEYS.map(([key, text]) => {
      const caps = key.split("  ").map((k) => make("kbd", { textContent: k }));
      return make("tr", {}, make("td", {}, ...caps), make("td", { textContent: text }));
    });
    return make("div", { className: "mr-help", hidden: true }, make("table", {}, ...rows));
  }

  buildBar() {
    const choices = this.model.get("choices");
    this.progress = make("div", { className: "mr-progress" });
    this.count = make("span", { className: "mr-count" });
    const select = (title, options, changed) => {
      const node = make("select", { title });
      node.append(...options.map(([value, text]) => make("option", { value, textContent: text })));
      node.setAttribute("aria-label", title);
      node.addEventListener("change", () => { changed(node.value); this.root.focus({ preventScroll: true }); });
      return node;
    };
    const filter = () => this.send({ do: "filter", filters: this.filters() });
    this.selects = {
      order: select("sorted by, highest first", choices.orders.map((o) => [o, `by ${o}`]), (order) => this.send({ do: "sort", order })),
      category_id: select("class", [["", "all classes"], ...choices.classes.map(([id, name, n]) => [id, `${name} (${n})`])], filter),
      kind: select("kind of change", [["", "all kinds"], ...choices.kinds.map(([k, n]) => [k, `${k} (${n})`])], filter),
      verdict: select("verdict", [["", "all verdicts"], ...choices.verdicts.map((v) => [v, v])], filter),
      split: select("split", [["", "all splits"], ...choices.splits.map((s) => [s, s])], filter),
    };
    this.selects.split.hidden = choices.splits.length < 2;
    this.score = make("input", { type: "number", min: 0, max: 1, step: 0.05, placeholder: "score ≥", title: "least score" });
    this.score.hidden = !choices.scored;
    this.score.addEventListener("change", filter);
    const keys = this.button("?", "the keys", () => this.toggleHelp());
    this.bar.append(make("div", { className: "mr-done" }, this.progress, this.count),
      make("div", { className: "mr-choices" }, ...Object.values(this.selects), this.score, keys));
  }

  filters() {
    const chosen = (name) => this.selects[name].value || null;
    const category = chosen("category_id"), score = this.score.value;
    return { category_id: category && Number(category), split: chosen("split"), verdict: chosen("verdict"),
      kind: chosen("kind"), score: score === "" ? null : Number(score) };
  }

  buildActions() {
    const act = (key, text, name) => {
      const node = this.button(text, KEYS.find(([k]) => k === key)?.[1] ?? text, () => this.press(key));
      node.prepend(make("kbd", { textContent: key === "ArrowLeft" ? "←" : key === "ArrowRight" ? "→" : key }));
      if (name) node.dataset.verdict = name;
      return node;
    };
    this.modes = Object.entries({ 1: "side by side", 2: "one picture", 3: "difference" }).map(([key, text]) => act(key, text));
    this.verdicts = Object.entries(VERDICTS).map(([key, name]) => act(key, name[0].toUpperCase() + name.slice(1), name));
    const group = (...nodes) => make("div", { className: "mr-group" }, ...nodes);
    this.actions.append(
      group(act("ArrowLeft", "back"), act("ArrowRight", "next")), group(...this.verdicts),
      group(act("u", "undo")), this.note);
    this.foot.append(group(...this.modes), this.message);
  }

  button(text, title, pressed) {
    const node = make("button", { type: "button", title, tabIndex: -1 }, text);
    // The root keeps the focus: a focused button would take Space for itself.
    node.addEventListener("pointerdown", (event) => { event.preventDefault(); this.root.focus({ preventScroll: true }); });
    node.addEventListener("click", pressed);
    return node;
  }

  listen() {
    this.root.addEventListener("keydown", (event) => this.onKey(event));
    this.root.addEventListener("keyup", (event) => {
      if (event.key === " " || event.key.toLowerCase() === "h") this.hold(null);
    });
    this.root.addEventListener("focusout", () => this.hold(null));
    this.note.addEventListener("change", () => this.send({ do: "annotate", key: this.item?.scene.key, note: this.note.value.trim() }));
    for (const { canvas } of this.panes) {
      canvas.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
      canvas.addEventListener("pointerdown", (event) => this.onDrag(event, canvas));
      // Lab's own menu would take the focus along when it closes; the browser's does not.
      canvas.addEventListener("contextmenu", (event) => event.stopPropagation());
      canvas.addEventListener("dblclick", (event) => this.zoomAt(event, 2.5));
    }
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.root);
  }

  dispose() {
    this.model.off("change:status", this.onAnswer);
    this.model.off("change:ahead", this.onAhead);
    this.observer.disconnect();
    clearTimeout(this.patience);
  }

  // Commands to Python, one at a time: what is typed before an answer waits until it is shown.

  send(command) {
    const slow = this.waiting && performance.now() - this.sent > SEEN;
    if (slow && command.do === "decide") { this.say("waiting for the kernel: this key was not taken"); return; }
    if (this.waiting) { this.typed.push(command); return; }
    this.sent = performance.now();
    this.waiting = Math.random().toString(36).slice(2);
    const key = this.item?.scene.key;
    const bound = command.do === "decide" ? { key } : {};
    this.model.send({ id: this.waiting, ...bound, ...command });
    clearTimeout(this.patience);
    this.patience = setTimeout(() => {
      this.say("waiting for the kernel (a first sort of many masks takes a while); if it was restarted, run the cell again: "
        + "what counts as decided is saved");
    }, PATIENCE);
  }

  async refresh() {
    const scene = this.model.get("scene"), status = this.model.get("status");
    const item = scene.key ? await prepare(this.shelf, scene, this.model.get("picture")) : null;
    if (scene !== this.model.get("scene")) return; // a newer one is on its way here
    const moved = item?.scene.key !== this.item?.scene.key;
    this.item = item;
    this.showStatus(status, moved);
    if (moved && item) this.look(this.follow);
    this.resize();
    if (this.waiting && status.answered === this.waiting) {
      clearTimeout(this.patience);
      this.waiting = null;
      if (this.typed.length) this.send(this.typed.shift());
    }
  }

  prefetch() {
    const ahead = this.model.get("ahead");
    if (ahead.key) prepare(this.shelf, ahead, this.model.get("ahead_picture"));
  }

  // Keys.

  onKey(event) {
    if (event.isComposing) return; // Enter ends a composition of an input method
    if (event.target.matches("input, select") && !this.leftBehind(event)) {
      if (["Escape", "Enter"].includes(event.key)) {
        event.preventDefault();
        event.stopPropagation();
        if (event.key === "Escape" && event.target === this.note) this.note.value = this.model.get("status").note;
        this.root.focus({ preventScroll: true });
      }
      return;
    }
    const undo = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z";
    if (!undo && (event.ctrlKey || event.metaKey || event.altKey)) return;
    if (this.press(undo ? "u" : event.key, event.repeat)) {
      event.preventDefault();
      event.stopPropagation();
    }
  }

  // A list that was closed without a choice keeps the focus: a letter or a digit is meant for the
  // review then, and must not choose something else in the list.
  leftBehind({ target, key }) {
    if (key.length > 1 || !CSS.supports("selector(:open)") || !target.matches("select:not(:open)")) return false;
    this.root.focus({ preventScroll: true });
    return true;
  }

  // Does what a key says; true when it says something here. A verdict needs a fresh press.
  press(pressed, repeated = false) {
    const key = pressed.length === 1 ? pressed.toLowerCase() : pressed;
    if (key in VERDICTS) {
      if (!repeated && this.item) this.send({ do: "decide", verdict: VERDICTS[key] });
      return true;
    }
    if (key in MODES) { this.mode = MODES[key]; this.resize(); return true; }
    const actions = {
      u: () => repeated || this.send({ do: "undo" }),
      n: () => { this.note.focus(); this.note.select(); },
      g: () => this.send({ do: "next" }),
      ArrowRight: () => this.step(1, repeated),
      ArrowLeft: () => this.step(-1, repeated),
      Home: () => this.send({ do: "go", position: 0 }),
      End: () => this.send({ do: "go", position: this.model.get("status").total - 1 }),
      " ": () => this.hold("before"),
      h: () => this.hold("bare"),
      o: () => { this.others = !this.others; this.draw(); },
      z: () => this.look(this.follow === "instance" ? "picture" : "instance"),
      "+": () => this.zoomBy(1.25),
      "-": () => this.zoomBy(0.8),
      "?": () => this.toggleHelp(),
      Escape: () => { if (this.help.hidden) this.root.blur(); else this.toggleHelp(); },
    };
    const action = actions[{ j: "ArrowRight", k: "ArrowLeft", "=": "+", 0: "z" }[key] ?? key];
    action?.();
    return Boolean(action);
  }

  // A held arrow goes as fast as pictures come, and stops when it is let go.
  step(steps, repeated) { if (!repeated || !this.waiting) this.send({ do: "move", steps }); }

  hold(what) {
    if (this.held !== what) { this.held = what; this.draw(); this.caption(); }
  }

  toggleHelp() { this.help.hidden = !this.help.hidden; }

  say(text) { this.message.textContent = text; }

  // The camera: the picture's point at the middle of every pane, and pane pixels per picture pixel.

  look(follow) {
    this.follow = follow;
    if (!this.item) return;
    const { width, height } = this.item.scene, { x, y, w, h } = this.item.box;
    const near = follow === "instance";
    const box = near ? [Math.max(w * 1.6, 48), Math.max(h * 1.6, 48)] : [width, height];
    const pane = this.visiblePanes()[0].canvas;
    const zoom = Math.min(pane.clientWidth / box[0], pane.clientHeight / box[1], 24) || 1;
    // No empty margin beside an instance at the picture's border, where the picture can fill the pane.
    const inside = (middle, size, shown) => (shown >= size ? size / 2 : Math.min(Math.max(middle, shown / 2), size - shown / 2));
    this.camera = {
      x: inside(near ? x + w / 2 : width / 2, width, pane.clientWidth / zoom),
      y: inside(near ? y + h / 2 : height / 2, height, pane.clientHeight / zoom),
      zoom,
    };
    this.draw();
  }

  zoomBy(factor, fixed = this.camera) {
    const { camera } = this;
    const zoom = Math.min(Math.max(camera.zoom * factor, 0.02), 64), ratio = camera.zoom / zoom;
    this.camera = { x: fixed.x + (camera.x - fixed.x) * ratio, y: fixed.y + (camera.y - fixed.y) * ratio, zoom };
    this.draw();
  }

  zoomAt(event, factor) {
    const pane = event.currentTarget.getBoundingClientRect();
    this.zoomBy(factor, {
      x: this.camera.x + (event.clientX - pane.left - pane.width / 2) / this.camera.zoom,
      y: this.camera.y + (event.clientY - pane.top - pane.height / 2) / this.camera.zoom,
    });
  }

  onWheel(event) {
    // Without the focus the wheel scrolls the notebook, or nobody could scroll past the pictures.
    if (!this.root.contains(document.activeElement) && !event.ctrlKey) return;
    event.preventDefault();
    event.stopPropagation();
    const lines = event.deltaMode === 1 ? 16 : 1;
    this.zoomAt(event, Math.exp(-Math.max(-240, Math.min(240, event.deltaY * lines)) * 0.0022));
  }

  onDrag(start, canvas) {
    if (start.button > 1) return;
    start.preventDefault();
    this.root.focus({ preventScroll: true });
    canvas.setPointerCapture(start.pointerId);
    const from = { ...this.camera };
    const move = (event) => {
      this.camera.x = from.x - (event.clientX - start.clientX) / from.zoom;
      this.camera.y = from.y - (event.clientY - start.clientY) / from.zoom;
      this.draw();
    };
    const stop = () => {
      canvas.removeEventListener("pointermove", move);
      canvas.removeEventListener("pointerup", stop);
      canvas.removeEventListener("pointercancel", stop);
    };
    canvas.addEventListener("pointermove", move);
    canvas.addEventListener("pointerup", stop);
    canvas.addEventListener("pointercancel", stop);
  }

  // Drawing.

  visiblePanes() {
    const wide = this.root.clientWidth >= WIDE;
    const names = { split: wide ? ["before", "after", "difference"] : ["before", "after"], single: ["after"], difference: ["difference"] };
    return this.panes.filter((pane) => names[this.mode].includes(pane.name));
  }

  resize() {
    const panes = this.visiblePanes();
    for (const pane of this.panes) pane.node.hidden = !panes.includes(pane);
    const each = (this.stage.clientWidth - 4 * (panes.length - 1)) / panes.length;
    // The same for every item, so that the buttons stay where they are.
    const height = Math.round(Math.max(220, Math.min(each, 0.5 * window.innerHeight)));
    const before = [this.width, this.height];
    [this.width, this.height] = [Math.floor(each), height];
    for (const { canvas } of panes) {
      const scale = window.devicePixelRatio || 1;
      const size = [Math.round(each * scale), Math.round(height * scale)];
      if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
      canvas.style.height = `${height}px`;
    }
    for (const [n, node] of this.modes.entries()) node.classList.toggle("mr-on", MODES[n + 1] === this.mode);
    this.caption();
    if (before[0] !== this.width || before[1] !== this.height) this.look(this.follow);
    else this.draw();
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.visiblePanes().forEach((pane) => this.drawPane(pane)));
  }

  // What a pane shows just now: the old mask while it blinks.
  shownIn(pane) { return this.held === "before" && pane.name !== "before" ? "before" : pane.name; }

  drawPane(pane) {
    const { canvas } = pane, drawing = canvas.getContext("2d");
    const pixels = canvas.width / Math.max(canvas.clientWidth, 1), scale = this.camera.zoom * pixels;
    drawing.setTransform(1, 0, 0, 1, 0, 0);
    drawing.clearRect(0, 0, canvas.width, canvas.height);
    if (!this.item) return;
    const { scene, bitmap, sides } = this.item, side = sides[this.shownIn(pane)];
    drawing.setTransform(scale, 0, 0, scale, canvas.width / 2 - this.camera.x * scale, canvas.height / 2 - this.camera.y * scale);
    drawing.imageSmoothingEnabled = scale < 3; // closer, one wants to see the pixels
    drawing.imageSmoothingQuality = "high";
    if (bitmap) drawing.drawImage(bitmap, 0, 0, scene.width, scene.height);
    else { drawing.fillStyle = "#777"; drawing.fillRect(0, 0, scene.width, scene.height); }
    if (this.held === "bare") return;
    if (this.others && side.others) drawing.drawImage(side.others, 0, 0);
    drawing.imageSmoothingEnabled = false;
    for (const layer of side.focus) drawing.drawImage(layer.fill, layer.x, layer.y);
    drawing.lineCap = "square"; // fills the corners of outlines, twice as fast as round ones
    for (const layer of side.focus) this.stroke(drawing, layer, pixels / scale);
  }

  // Dark, light, colour: one of the three stands out on any background.
  stroke(drawing, layer, pixel) {
    for (const [width, colour] of [[4.4, "rgba(0, 0, 0, 0.55)"], [3, "#ffffff"], [1.7, layer.colour]]) {
      if (layer.colour === KEPT && width === 3) continue;
      drawing.lineWidth = width * pixel;
      drawing.strokeStyle = colour;
      drawing.stroke(layer.path);
    }
  }

  // Words and numbers.

  caption() {
    if (!this.item) return;
    const { scene } = this.item;
    for (const pane of this.panes) {
      const name = this.shownIn(pane);
      const missing = name !== "difference" && scene[name].focus === null;
      pane.label.textContent = name === "difference" ? "difference" : scene[name].name + (missing ? ": not there" : "");
      pane.label.classList.toggle("mr-blink", this.held === "before" && pane.name !== "before");
    }
  }

  showStatus(status, moved) {
    this.showProgress(status);
    this.showFacts(status);
    this.selects.order.value = status.order;
    for (const name of ["category_id", "kind", "verdict", "split"]) this.selects[name].value = status.filters[name] ?? "";
    this.score.value = status.filters.score ?? "";
    for (const node of this.verdicts) node.classList.toggle("mr-on", node.dataset.verdict === status.verdict);
    if (moved || document.activeElement !== this.note) this.note.value = status.note;
    this.note.disabled = !this.item;
    const left = status.total - status.decided;
    const nothing = status.total ? "" : "no item passes these filters";
    this.say(status.message || nothing || (left ? "" : "everything here is decided"));
    this.message.title = `decisions are kept in ${status.file}`;
  }

  showProgress(status) {
    const part = ([verdict, count]) => {
      const node = make("i", { title: `${count} ${DONE[verdict]}` });
      node.dataset.verdict = verdict;
      node.style.width = `${(100 * count) / Math.max(status.total, 1)}%`;
      return node;
    };
    this.progress.replaceChildren(...Object.entries(status.verdicts).map(part));
    const place = status.total ? status.position + 1 : 0;
    const hidden = status.all - status.total;
    this.count.textContent = `${place} / ${status.total}, ${status.decided} decided` + (hidden ? ` (${hidden} filtered out)` : "");
    this.count.title = this.count.textContent;
  }

  showFacts(status) {
    this.facts.replaceChildren();
    if (!this.item) return;
    const { scene } = this.item, { numbers } = scene;
    const fact = (className, text, colour) => {
      const node = make("span", { className }, text);
      if (colour) node.style.setProperty("--mr-colour", colour);
      this.facts.append(node);
    };
    fact("mr-class", scene.category, scene.colour);
    if (status.verdict) {
      fact("mr-verdict", DONE[status.verdict]);
      this.facts.lastChild.dataset.verdict = status.verdict;
    }
    if (["changed", "same"].includes(scene.kind)) fact("", `IoU ${numbers.iou.toFixed(4)}`);
    else fact("", `${scene.kind.replace("only ", "only in ").replace(/before|after/, (side) => scene[side].name)}`);
    fact("mr-part", `${numbers.kept.toLocaleString("en")} px kept`, KEPT);
    fact("mr-part", `${numbers.added.toLocaleString("en")} px added`, ADDED);
    fact("mr-part", `${numbers.removed.toLocaleString("en")} px removed`, REMOVED);
    if (numbers.score !== null) fact("", `score ${numbers.score.toFixed(2)}`);
    if (!["disagreement", "picture", "size", "low score", "changed pixels"].includes(status.order)) {
      fact("", `${status.order} ${status.value.toPrecision(2)}`);
    }
    fact("mr-line", "");
    fact("mr-place", scene.place);
    if (scene.remark) fact("mr-remark", scene.remark);
  }
}

function render({ model, el }) {
  const view = new ReviewView(model, el);
  return () => view.dispose();
}

export default { render };
