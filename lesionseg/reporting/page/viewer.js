/* The slice viewer: volumes embedded in the page, drawn on one canvas. Arrays are (X, Y, Z) in RAS. */
(() => {
  "use strict";
  const holder = document.getElementById("viewer-data");
  if (!holder) return;
  const { models, reference, colours, cases } = JSON.parse(holder.textContent);
  const root = document.getElementById("viewer");
  const find = (name) => root.querySelector(`[data-part="${name}"]`);
  const canvas = find("canvas");
  const pen = canvas.getContext("2d");
  const small = document.createElement("canvas");
  const ACROSS = [[1, 2], [0, 2], [0, 1]]; // array axes along a slice's columns and rows
  const DASHES = [[], [5, 3], [2, 2], [7, 2, 2, 2]];
  const LETTERS = [["A", "P"], ["R", "L"], ["R", "L"]];
  const state = { at: [0, 0, 0], axis: 2, window: 1, level: 0.5, shown: new Set(), lesion: null };
  const unpacked = new Map();
  let now = null; // the case on show

  async function unpack(text) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  async function load(number) {
    const packed = cases[number];
    if (!unpacked.has(number)) {
      const masks = await unpack(packed.masks);
      const image = packed.image ? await unpack(packed.image) : new Uint8Array(masks.length);
      unpacked.set(number, { ...packed, masks, image, spacing: lengths(packed.affine) });
    }
    now = unpacked.get(number);
    state.axis = now.spacing.lastIndexOf(Math.max(...now.spacing));
    const first = now.lesions.find((l) => l.kind === "reference") || now.lesions[0];
    state.at = first ? [...first.at] : now.shape.map((n) => n >> 1);
    state.lesion = first || null;
    list();
    draw();
    root.dataset.ready = String(number);
  }

  const lengths = (a) => [0, 1, 2].map((c) => Math.hypot(a[c], a[4 + c], a[8 + c]));
  const world = (at) =>
    [0, 1, 2].map((r) => {
      const a = now.affine;
      return a[4 * r] * at[0] + a[4 * r + 1] * at[1] + a[4 * r + 2] * at[2] + a[4 * r + 3];
    });

  /* A slice as rows from the top and columns from the left, both against the array's axes. */
  function plane(source) {
    const [u, v] = ACROSS[state.axis];
    const [, ny, nz] = now.shape;
    const stride = [ny * nz, nz, 1];
    const width = now.shape[u];
    const height = now.shape[v];
    const out = new Uint8Array(width * height);
    const base = state.at[state.axis] * stride[state.axis];
    for (let row = 0, i = 0; row < height; row++) {
      const from = base + (height - 1 - row) * stride[v];
      for (let column = 0; column < width; column++, i++) {
        out[i] = source[from + (width - 1 - column) * stride[u]];
      }
    }
    return { out, width, height, mm: [now.spacing[u], now.spacing[v]] };
  }

  function draw() {
    const { out, width, height, mm } = plane(now.image);
    const masks = plane(now.masks).out;
    const ratio = window.devicePixelRatio || 1;
    const room = Math.max(200, canvas.parentElement.clientWidth);
    const most = Math.max(260, Math.min(window.innerHeight * 0.72, 640));
    const zoom = Math.min(room / (width * mm[0]), most / (height * mm[1]));
    const size = [width * mm[0] * zoom, height * mm[1] * zoom];
    canvas.style.width = `${size[0]}px`;
    canvas.style.height = `${size[1]}px`;
    canvas.width = Math.round(size[0] * ratio);
    canvas.height = Math.round(size[1] * ratio);
    const pixels = new ImageData(width, height);
    const low = now.white * (state.level - state.window / 2);
    const gain = 255 / Math.max(1, now.white * state.window);
    for (let i = 0; i < out.length; i++) {
      const grey = (out[i] - low) * gain;
      pixels.data.set([grey, grey, grey, 255], 4 * i);
    }
    small.width = width;
    small.height = height;
    small.getContext("2d").putImageData(pixels, 0, 0);
    pen.imageSmoothingEnabled = true;
    pen.drawImage(small, 0, 0, canvas.width, canvas.height);
    const scale = [canvas.width / width, canvas.height / height];
    for (const bit of [...state.shown].sort()) outline(masks, width, height, bit, scale, ratio);
    mark(scale, width, height, ratio);
    caption();
  }

  function outline(masks, width, height, bit, scale, ratio) {
    const inside = (x, y) =>
      x >= 0 && y >= 0 && x < width && y < height && (masks[y * width + x] >> bit) & 1;
    // Each mask's line runs a little further inside its edge, so that none hides another.
    const inset = scale.map((s) => Math.min(0.3 * s, (bit - 0.3) * 1.7 * ratio));
    pen.beginPath();
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        if (!inside(x, y)) continue;
        const [l, r] = [x * scale[0] + inset[0], (x + 1) * scale[0] - inset[0]];
        const [t, b] = [y * scale[1] + inset[1], (y + 1) * scale[1] - inset[1]];
        if (!inside(x - 1, y)) line(l, t, l, b);
        if (!inside(x + 1, y)) line(r, t, r, b);
        if (!inside(x, y - 1)) line(l, t, r, t);
        if (!inside(x, y + 1)) line(l, b, r, b);
      }
    }
    pen.setLineDash(bit === 0 ? [] : DASHES[(bit - 1) % DASHES.length].map((d) => d * ratio));
    pen.lineWidth = 1.6 * ratio;
    pen.strokeStyle = bit === 0 ? reference : colours[bit - 1];
    pen.stroke();
    pen.setLineDash([]);
  }

  function line(x, y, toX, toY) {
    pen.moveTo(x, y);
    pen.lineTo(toX, toY);
  }

  /* Short ticks around the chosen voxel, and the letters of the sides. */
  function mark(scale, width, height, ratio) {
    const [u, v] = ACROSS[state.axis];
    const x = (width - 0.5 - state.at[u]) * scale[0];
    const y = (height - 0.5 - state.at[v]) * scale[1];
    const near = 9 * ratio + (state.lesion ? (state.lesion.mm / 2 / now.spacing[u]) * scale[0] : 0);
    pen.strokeStyle = "#ffffff";
    pen.lineWidth = 1.2 * ratio;
    pen.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      line(x + dx * near, y + dy * near, x + dx * (near + 9 * ratio), y + dy * (near + 9 * ratio));
    }
    pen.stroke();
    pen.font = `600 ${12 * ratio}px system-ui, sans-serif`;
    pen.textBaseline = "middle";
    pen.lineWidth = 3 * ratio;
    pen.strokeStyle = "#000000";
    pen.fillStyle = "#ffffff";
    LETTERS[state.axis].forEach((letter, i) => {
      const place = [i ? canvas.width - 15 * ratio : 6 * ratio, canvas.height / 2];
      pen.strokeText(letter, ...place);
      pen.fillText(letter, ...place);
    });
  }

  function caption() {
    const n = now.shape[state.axis];
    const slider = find("slice");
    slider.max = n - 1;
    slider.value = state.at[state.axis];
    const [r, a, s] = world(state.at).map((c) => c.toFixed(1));
    find("place").textContent = `${r} ${a} ${s}`;
    find("number").textContent = `${state.at[state.axis] + 1} of ${n}`;
    find("coarse").hidden = now.step === 1;
    find("coarse").textContent = `shown at 1/${now.step} of the resolution`;
    root.querySelectorAll("[data-axis]").forEach((button) => {
      button.setAttribute("aria-pressed", String(Number(button.dataset.axis) === state.axis));
    });
    root.querySelectorAll("[data-bit]").forEach((box) => {
      box.checked = state.shown.has(Number(box.dataset.bit));
    });
    root.querySelectorAll("tbody tr").forEach((row) => {
      row.classList.toggle("chosen", row.lesion === state.lesion);
    });
    canvas.dataset.slice = String(state.at[state.axis]);
  }

  function list() {
    const body = find("lesions");
    const wanted = find("filter").value;
    const rows = now.lesions.filter((lesion) => {
      const [kind, model] = [wanted.slice(0, 1), models[Number(wanted.slice(1))]];
      if (kind === "m") return lesion.kind === "reference" && lesion.by[model] && !lesion.by[model].found;
      if (kind === "f") return lesion.kind === "false_positive" && lesion.by[model];
      return true;
    });
    body.replaceChildren(...rows.map(row));
    find("count").textContent = `${rows.length} of ${now.lesions.length}`;
  }

  function row(lesion) {
    const tr = document.createElement("tr");
    tr.lesion = lesion;
    tr.tabIndex = 0;
    const what = `${lesion.kind === "false_positive" ? "false pos." : lesion.id} ${lesion.class || ""}`.trim();
    const by = models.map((model) => {
      const one = lesion.by[model];
      if (!one) return "";
      if (lesion.kind !== "reference") return one.score === null ? "yes" : one.score.toFixed(2);
      return one.found ? one.dice.toFixed(2) : "missed";
    });
    for (const text of [what, lesion.mm.toFixed(1), ...by]) {
      const cell = document.createElement("td");
      cell.textContent = text;
      if (text === "missed") cell.className = "missed";
      tr.append(cell);
    }
    tr.addEventListener("click", () => jump(lesion));
    tr.addEventListener("keydown", (event) => {
      if (event.key === "Enter") jump(lesion);
    });
    return tr;
  }

  function jump(lesion) {
    state.at = [...lesion.at];
    state.lesion = lesion;
    draw();
  }

  /* A button elsewhere on the page, with a case's name and the number of a lesion. */
  async function goTo(button) {
    const number = cases.findIndex((one) => one.case === button.dataset.toCase);
    if (number < 0) return;
    find("case").value = String(number);
    await load(number);
    const lesion = now.lesions.find((one) => one.id === Number(button.dataset.toLesion));
    if (lesion) jump(lesion);
    root.scrollIntoView({ block: "start" });
  }

  function step(by) {
    const n = now.shape[state.axis];
    state.at[state.axis] = Math.min(n - 1, Math.max(0, state.at[state.axis] + by));
    state.lesion = null;
    draw();
  }

  /* A/B: the models one after the other, each alone with the reference as it is. */
  function swap() {
    const bits = models.map((_, i) => i + 1);
    const alone = bits.filter((bit) => state.shown.has(bit));
    const next = alone.length === 1 ? (alone[0] % models.length) + 1 : 1;
    bits.forEach((bit) => state.shown.delete(bit));
    state.shown.add(next);
    draw();
  }

  function toggle(bit) {
    if (!state.shown.delete(bit)) state.shown.add(bit);
    draw();
  }

  document.querySelectorAll("[data-to-case]").forEach((button) => {
    button.addEventListener("click", () => goTo(button));
  });
  find("case").addEventListener("change", (event) => load(Number(event.target.value)));
  find("filter").addEventListener("change", list);
  find("slice").addEventListener("input", (event) => step(Number(event.target.value) - state.at[state.axis]));
  find("window").addEventListener("input", (event) => { state.window = Number(event.target.value); draw(); });
  find("level").addEventListener("input", (event) => { state.level = Number(event.target.value); draw(); });
  find("swap").addEventListener("click", swap);
  root.querySelectorAll("[data-axis]").forEach((button) => {
    button.addEventListener("click", () => { state.axis = Number(button.dataset.axis); draw(); });
  });
  root.querySelectorAll("[data-bit]").forEach((box) => {
    box.addEventListener("change", () => toggle(Number(box.dataset.bit)));
    state.shown.add(Number(box.dataset.bit));
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    step(event.deltaY > 0 ? -1 : 1);
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const keys = { ArrowUp: () => step(1), ArrowDown: () => step(-1), x: swap, m: () => toggle(0) };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });

  /* A click sets the voxel; a drag sets the window, across its width and down its level. */
  let press = null;
  canvas.addEventListener("pointerdown", (event) => {
    press = { x: event.clientX, y: event.clientY, window: state.window, level: state.level, moved: false };
    if (event.pointerType === "mouse") canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!press || event.pointerType !== "mouse") return;
    const [dx, dy] = [event.clientX - press.x, event.clientY - press.y];
    if (Math.abs(dx) + Math.abs(dy) < 5) return;
    press.moved = true;
    state.window = Math.min(2, Math.max(0.05, press.window * Math.exp(dx / 200)));
    state.level = Math.min(1.2, Math.max(0, press.level + dy / 400));
    find("window").value = state.window;
    find("level").value = state.level;
    draw();
  });
  canvas.addEventListener("pointerup", (event) => {
    if (press && !press.moved) {
      const [u, v] = ACROSS[state.axis];
      const box = canvas.getBoundingClientRect();
      const inside = (part, n) => Math.min(n - 1, Math.max(0, n - 1 - Math.floor(part * n)));
      state.at[u] = inside((event.clientX - box.left) / box.width, now.shape[u]);
      state.at[v] = inside((event.clientY - box.top) / box.height, now.shape[v]);
      state.lesion = null;
      draw();
    }
    press = null;
  });
  canvas.addEventListener("pointercancel", () => { press = null; });
  window.addEventListener("resize", () => { if (now) draw(); });

  if (typeof DecompressionStream === "undefined") {
    find("coarse").hidden = false;
    find("coarse").textContent = "This browser is too old for the viewer; the pictures above need nothing.";
    return;
  }
  load(0);
})();
