// Draws the timeline of a trial, and lets people look at it: zoom, move, filter, step from record to record.
// Knows nothing but the JSON of `data.rs`; all times in it are microseconds since the trial's start.
"use strict";
(() => {
  const element = (id) => document.getElementById(id);
  const data = JSON.parse(element("data").textContent);

  // A record's places in its row.
  const AT = 0, UNTIL = 1, COUNT = 2, LANE = 3, KIND = 4, STREAM = 5, PATH = 6, BITS = 7, WORDS = 8;
  const SWALLOWED = 1, BEGINS = 2, ENDS = 4;
  // By number: the name in the legend, and the color of style.css.
  const KINDS = [
    ["frames", "frame"], ["heartbeats", "beat"], ["links", "link"], ["watchdogs", "belief"], ["deliveries", "delivery"],
    ["publishes", "publish"], ["stores", "store"], ["processes", "life"], ["other", "other"],
  ];
  const FRAME = 0, BEAT = 1, LINK = 2, BELIEF = 3, DELIVERY = 4, PUBLISH = 5, STORE = 6, LIFE = 7;

  const SPAN_MIN = 2000; // of the view: below two milliseconds nothing more is to be seen
  const ZOOM_STEP = 1.6, PAN_STEP = 0.2;
  const AXIS = 26, TRACK = 20, TRACKS_MAX = 6, ROW = 46, ROW_NARROW = 54;
  const REACH = 9; // pixels from the pointer to what it points at
  const LABELS_MAX = 90, LABEL_ROOM = 96, LISTED_MAX = 100;

  const records = data.records;
  const stage = element("stage"), canvas = element("chart"), overview = element("overview");
  const spacer = element("spacer"), tip = element("tip");
  const proof = new Set(data.evidence.flatMap((one) => one.records.map((index) => index - data.first)));
  const broke = data.evidence.length ? Math.min(...data.evidence.map((one) => one.at)) : null;

  const state = {
    from: 0, to: Math.max(data.end, SPAN_MIN),
    lanes: new Set(data.lanes.keys()), kinds: new Set(KINDS.keys()), stream: -1,
    focus: -1, hover: -1,
    seen: [], // the records that pass the filters, by index, in order of time
    spans: [], // those of them that last
    drawn: 0,
  };

  // ---- words

  function readable(micros) {
    const millis = Math.round(micros / 1000);
    if (millis === 0) return micros > 0 ? `${Math.round(micros)}µs` : "0s";
    if (millis < 1000) return `${millis}ms`;
    const hours = Math.floor(millis / 3600000), minutes = Math.floor(millis / 60000) % 60, rest = millis % 60000;
    const parts = [];
    if (hours) parts.push(`${hours}h`);
    if (minutes) parts.push(`${minutes}m`);
    if (rest || !parts.length) parts.push(`${rest / 1000}s`);
    return parts.join(" ");
  }

  const counted = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

  function sentence(index) {
    const record = records[index];
    const run = record[COUNT] > 1 ? ` (${record[COUNT]} times until ${readable(record[UNTIL])})` : "";
    return `${record[WORDS]}${run}`;
  }

  // ---- filters

  const passes = (record) =>
    state.lanes.has(record[LANE]) && state.kinds.has(record[KIND]) &&
    (state.stream < 0 || record[STREAM] < 0 || record[STREAM] === state.stream);

  function filter() {
    state.seen = [];
    state.spans = [];
    records.forEach((record, index) => {
      if (!passes(record)) return;
      state.seen.push(index);
      if (record[UNTIL] > record[AT]) state.spans.push(index);
    });
    stage.dataset.records = state.seen.length;
    element("hosts-count").textContent = `${state.lanes.size - 1} of ${data.lanes.length - 1}`;
    arrange();
  }

  // The place in `seen` of the first record that is not before that time.
  function place(time) {
    let low = 0, high = state.seen.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (records[state.seen[middle]][AT] < time) low = middle + 1; else high = middle;
    }
    return low;
  }

  // ---- where things are

  const layout = { width: 0, height: 0, gutter: 0, row: ROW, top: 0, rows: [], y: new Map(), tracks: new Map(), scroll: 0 };
  const x = (time) => layout.gutter + (time - state.from) / (state.to - state.from) * (layout.width - layout.gutter);
  const timeAt = (pixels) => state.from + (pixels - layout.gutter) / (layout.width - layout.gutter) * (state.to - state.from);
  const y = (lane) => lane === 0 ? AXIS + TRACK / 2 : layout.y.get(lane) - layout.scroll;

  // Faults that overlap stand below each other.
  function stack() {
    const ends = [];
    layout.tracks.clear();
    data.faults.forEach((fault, index) => {
      let track = ends.findIndex((end) => end <= fault.at);
      if (track < 0) track = ends.length < TRACKS_MAX ? ends.push(0) - 1 : TRACKS_MAX - 1;
      ends[track] = fault.until;
      layout.tracks.set(index, track);
    });
    return Math.max(1, ends.length);
  }

  function arrange() {
    const ratio = window.devicePixelRatio || 1;
    const narrow = stage.clientWidth < 560;
    layout.row = narrow ? ROW_NARROW : ROW;
    layout.gutter = narrow ? 0 : Math.min(170, 34 + 7.5 * Math.max(...data.lanes.map((name) => name.length)));
    layout.top = AXIS + stack() * TRACK + 8;
    layout.rows = [...data.lanes.keys()].filter((lane) => lane > 0 && state.lanes.has(lane));
    layout.y = new Map(layout.rows.map((lane, nth) => [lane, layout.top + (nth + 0.5) * layout.row]));
    const whole = layout.top + Math.max(1, layout.rows.length) * layout.row + 6;
    const height = Math.min(whole, Math.max(260, Math.round(window.innerHeight * 0.72)));
    stage.style.height = `${height}px`;
    spacer.style.height = `${whole - height}px`;
    layout.width = stage.clientWidth;
    layout.height = height;
    for (const [target, tall] of [[canvas, height], [overview, 44]]) {
      target.width = Math.round(layout.width * ratio);
      target.height = Math.round(tall * ratio);
      target.style.height = `${tall}px`;
      target.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    request();
  }

  // ---- colors

  let color = {};
  function readColors() {
    const style = getComputedStyle(document.documentElement);
    const names = ["ink", "muted", "line", "paper", "panel", "lost", "fault", "proof", "held", ...KINDS.map(([, name]) => name)];
    color = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  }
  const tint = (record) => record[BITS] & SWALLOWED ? color.lost : color[KINDS[record[KIND]][1]];

  // ---- what lasts: processes that are up, streams that a client holds

  function stretches(kinds) {
    const open = new Map(), found = [];
    const close = (lane, until) => {
      if (open.has(lane)) found.push([lane, open.get(lane), until]);
      open.delete(lane);
    };
    for (const record of records) {
      const dies = record[KIND] === LIFE && record[BITS] & ENDS;
      if (dies || kinds.includes(record[KIND]) && record[BITS] & ENDS) close(record[LANE], record[AT]);
      if (kinds.includes(record[KIND]) && record[BITS] & BEGINS && !open.has(record[LANE])) open.set(record[LANE], record[AT]);
    }
    for (const lane of [...open.keys()]) close(lane, data.end);
    return found;
  }
  const lives = stretches([LIFE]), links = stretches([LINK, BELIEF]);

  // ---- drawing

  let requested = false;
  function request() {
    if (requested) return;
    requested = true;
    requestAnimationFrame(() => { requested = false; draw(); });
  }

  function draw() {
    const began = performance.now();
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, layout.width, layout.height);
    pen.font = "12px system-ui, sans-serif";
    pen.textBaseline = "middle";
    drawShades(pen);
    drawLanes(pen);
    pen.save();
    pen.beginPath();
    pen.rect(layout.gutter, layout.top - 8, layout.width - layout.gutter, layout.height);
    pen.clip();
    drawStretches(pen);
    state.drawn = drawRecords(pen);
    drawFocus(pen);
    pen.restore();
    drawHead(pen);
    drawNames(pen);
    drawOverview();
    tell();
    stage.dataset.drawMillis = (performance.now() - began).toFixed(1);
  }

  const inView = (from, until) => until >= state.from && from <= state.to;

  function drawShades(pen) {
    const floor = layout.height;
    for (const fault of data.faults) {
      if (!inView(fault.at, fault.until)) continue;
      const left = Math.max(layout.gutter, x(fault.at)), right = Math.max(left + 1, Math.min(layout.width, x(fault.until)));
      pen.fillStyle = color.fault;
      pen.globalAlpha = fault.felt ? 0.07 : 0.03;
      pen.fillRect(left, layout.top - 8, right - left, floor);
      pen.globalAlpha = fault.felt ? 0.13 : 0.05;
      for (const lane of fault.lanes) {
        if (layout.y.has(lane)) pen.fillRect(left, y(lane) - layout.row / 2 + 3, right - left, layout.row - 6);
      }
      pen.globalAlpha = 1;
    }
    if (broke !== null && inView(broke, broke)) {
      pen.strokeStyle = color.proof;
      pen.lineWidth = 2;
      line(pen, x(broke), AXIS, x(broke), floor);
    }
  }

  function line(pen, fromX, fromY, toX, toY) {
    pen.beginPath();
    pen.moveTo(fromX, fromY);
    pen.lineTo(toX, toY);
    pen.stroke();
  }

  // A host that is down has a dashed lane.
  function drawLanes(pen) {
    pen.lineWidth = 1;
    pen.strokeStyle = color.line;
    pen.setLineDash([2, 4]);
    for (const lane of layout.rows) line(pen, layout.gutter, y(lane), layout.width, y(lane));
    pen.setLineDash([]);
  }

  function drawStretches(pen) {
    const bar = (found, style, thickness) => {
      pen.strokeStyle = style;
      pen.lineWidth = thickness;
      for (const [lane, from, until] of found) {
        if (layout.y.has(lane) && inView(from, until)) {
          line(pen, Math.max(layout.gutter, x(from)), y(lane), Math.min(layout.width, x(until)), y(lane));
        }
      }
    };
    bar(lives, color.muted, 1.25);
    bar(links, color.held, 9);
  }

  // Draws what is in view, at most once for each pixel, lane and kind; tells how many records are in view.
  function drawRecords(pen) {
    const first = place(state.from), last = place(state.to + 1);
    for (const index of state.spans) {
      const record = records[index];
      if (layout.y.has(record[LANE]) && inView(record[AT], record[UNTIL])) drawRun(pen, record);
    }
    const taken = new Map();
    const slots = KINDS.length * 4;
    for (const wanted of ["arrows", "marks"]) {
      for (let at = first; at < last; at += 1) {
        const record = records[state.seen[at]];
        if (record[LANE] === 0 || wanted === "arrows" !== record[PATH].length > 1) continue;
        const pixel = x(record[AT]), down = record[PATH][0] < record[PATH].at(-1) ? 1 : 0;
        const slot = record[LANE] * slots + record[KIND] * 4 + (record[BITS] & SWALLOWED) * 2 + down;
        const gap = pixel - (taken.get(slot) ?? -Infinity);
        if (gap < 1) continue;
        taken.set(slot, pixel);
        if (wanted === "arrows") drawArrow(pen, record, pixel, gap > 7); else drawMark(pen, record, pixel);
      }
    }
    if (last - first <= LABELS_MAX) drawLabels(pen, first, last);
    return last - first;
  }

  function drawRun(pen, record) {
    const left = Math.max(layout.gutter, x(record[AT])), right = Math.min(layout.width, x(record[UNTIL]));
    const answered = record[KIND] === BEAT && record[STREAM] < 0 && record[PATH].length > 1;
    const above = record[BITS] & SWALLOWED || answered ? -12 : 12;
    pen.strokeStyle = answered ? color.beat : tint(record);
    pen.globalAlpha = 0.75;
    pen.lineWidth = 3;
    if (answered) pen.setLineDash([3, 3]);
    line(pen, left, y(record[LANE]) + above, Math.max(right, left + 2), y(record[LANE]) + above);
    pen.setLineDash([]);
    pen.globalAlpha = 1;
    if (right - left > 70) {
      const text = `×${record[COUNT].toLocaleString("en")}`;
      const wide = pen.measureText(text).width, middle = (left + right) / 2;
      pen.fillStyle = color.panel;
      pen.fillRect(middle - wide / 2 - 4, y(record[LANE]) + above - 7, wide + 8, 14);
      pen.fillStyle = color.muted;
      pen.fillText(text, middle - wide / 2, y(record[LANE]) + above);
    }
  }

  function drawArrow(pen, record, pixel, roomy) {
    const path = record[PATH].filter((lane) => layout.y.has(lane));
    if (path.length < 2) return drawMark(pen, record, pixel);
    const from = y(path[0]), to = y(path.at(-1)), way = Math.sign(to - from);
    pen.strokeStyle = pen.fillStyle = tint(record);
    pen.lineWidth = 1.25;
    pen.globalAlpha = roomy ? 0.95 : record[KIND] === BEAT ? 0.25 : 0.4;
    line(pen, pixel, from, pixel, to);
    pen.globalAlpha = 1;
    if (!roomy) return;
    dot(pen, pixel, from, 2);
    for (const lane of path.slice(1, -1)) dot(pen, pixel, y(lane), 2);
    if (record[BITS] & SWALLOWED) return cross(pen, pixel, to, 4);
    pen.beginPath();
    pen.moveTo(pixel, to);
    pen.lineTo(pixel - 3.5, to - way * 7);
    pen.lineTo(pixel + 3.5, to - way * 7);
    pen.fill();
  }

  function dot(pen, atX, atY, radius) {
    pen.beginPath();
    pen.arc(atX, atY, radius, 0, 2 * Math.PI);
    pen.fill();
  }

  function cross(pen, atX, atY, size) {
    pen.lineWidth = 2;
    line(pen, atX - size, atY - size, atX + size, atY + size);
    line(pen, atX - size, atY + size, atX + size, atY - size);
  }

  function shape(pen, points) {
    pen.beginPath();
    points.forEach(([atX, atY], nth) => nth ? pen.lineTo(atX, atY) : pen.moveTo(atX, atY));
    pen.closePath();
    pen.fill();
  }

  function drawMark(pen, record, pixel) {
    const at = y(record[LANE]), ends = record[BITS] & ENDS;
    pen.fillStyle = pen.strokeStyle = tint(record);
    switch (record[KIND]) {
      case DELIVERY: return dot(pen, pixel, at, 3.5);
      case PUBLISH: pen.lineWidth = 1.5; return pen.strokeRect(pixel - 3, at - 3, 6, 6);
      case STORE: return pen.fillRect(pixel - 3, at - 3, 6, 6);
      case BELIEF: return shape(pen, [[pixel, at - 8], [pixel + 6, at], [pixel, at + 8], [pixel - 6, at]]);
      case LIFE: if (ends) return cross(pen, pixel, at, 5); return pen.fillRect(pixel - 1.5, at - 9, 3, 18);
      case LINK: if (ends) return cross(pen, pixel, at, 4); return shape(pen, [[pixel - 4, at - 5], [pixel + 5, at], [pixel - 4, at + 5]]);
      case BEAT: return dot(pen, pixel, at + 12, 1.8);
      case FRAME: return cross(pen, pixel, at, 3);
      default: return dot(pen, pixel, at, 2.5);
    }
  }

  // Words stand where there is room for them up to the lane's next record.
  function drawLabels(pen, first, last) {
    const next = new Map();
    pen.font = "11px system-ui, sans-serif";
    for (let at = last - 1; at >= first; at -= 1) {
      const record = records[state.seen[at]], lane = record[LANE];
      if (!layout.y.has(lane) || record[KIND] === BEAT) continue;
      const left = x(record[AT]) + 8, room = (next.get(lane) ?? layout.width) - left - 6;
      next.set(lane, left - 8);
      if (room < LABEL_ROOM) continue;
      const text = cut(pen, record[WORDS], room);
      pen.fillStyle = color.panel;
      pen.globalAlpha = 0.82;
      pen.fillRect(left - 2, y(lane) - layout.row / 2 + 2, pen.measureText(text).width + 4, 13);
      pen.globalAlpha = 1;
      pen.fillStyle = color.ink;
      pen.fillText(text, left, y(lane) - layout.row / 2 + 9);
    }
    pen.font = "12px system-ui, sans-serif";
  }

  function cut(pen, text, room) {
    if (pen.measureText(text).width <= room) return text;
    let length = Math.max(1, Math.floor(text.length * room / pen.measureText(text).width) - 1);
    while (length > 1 && pen.measureText(`${text.slice(0, length)}…`).width > room) length -= 1;
    return `${text.slice(0, length)}…`;
  }

  function drawFocus(pen) {
    const ring = (index, style, radius) => {
      const record = records[index];
      if (!record || !inView(record[AT], record[UNTIL]) || !(layout.y.has(record[LANE]) || record[LANE] === 0)) return;
      pen.strokeStyle = style;
      pen.lineWidth = 2;
      pen.beginPath();
      pen.arc(Math.max(layout.gutter + radius, x(record[AT])), y(record[LANE]), radius, 0, 2 * Math.PI);
      pen.stroke();
    };
    for (const index of proof) ring(index, color.proof, 9);
    for (const index of [state.hover, state.focus]) if (index >= 0) ring(index, color.ink, 12);
  }

  // The axis, and the faults by name.
  function drawHead(pen) {
    pen.fillStyle = color.panel;
    pen.fillRect(0, 0, layout.width, layout.top - 8);
    const step = tick();
    pen.strokeStyle = color.line;
    pen.fillStyle = color.muted;
    pen.lineWidth = 1;
    for (let time = Math.ceil(state.from / step) * step; time <= state.to; time += step) {
      const pixel = x(time), text = readable(time);
      line(pen, pixel, AXIS - 6, pixel, AXIS);
      if (pixel + 4 + pen.measureText(text).width < layout.width) pen.fillText(text, pixel + 4, AXIS / 2);
    }
    data.faults.forEach((fault, index) => {
      if (!inView(fault.at, fault.until)) return;
      const left = Math.max(layout.gutter, x(fault.at)), right = Math.max(left + 3, Math.min(layout.width, x(fault.until)));
      const top = AXIS + layout.tracks.get(index) * TRACK;
      pen.fillStyle = color.fault;
      pen.globalAlpha = fault.felt ? 0.9 : 0.4;
      pen.beginPath();
      pen.roundRect(left, top, right - left, TRACK - 3, 3);
      pen.fill();
      pen.globalAlpha = 1;
      if (right - left > 40) {
        pen.fillStyle = color.paper;
        pen.fillText(cut(pen, `${fault.number}  ${fault.text}`, right - left - 12), left + 6, top + TRACK / 2 - 1);
      }
    });
    if (broke !== null && inView(broke, broke)) {
      pen.fillStyle = color.proof;
      const wide = pen.measureText("broke here").width, left = Math.min(x(broke), layout.width - wide - 12);
      pen.fillRect(left, 2, wide + 12, AXIS - 9);
      pen.fillStyle = color.paper;
      pen.fillText("broke here", left + 6, AXIS / 2 - 2);
    }
  }

  function tick() {
    const wanted = (state.to - state.from) / Math.max(2, (layout.width - layout.gutter) / 110);
    const second = 1e6, minute = 60 * second, hour = 60 * minute;
    const steps = [second, 2 * second, 5 * second, 10 * second, 15 * second, 30 * second, minute, 2 * minute, 5 * minute,
      10 * minute, 15 * minute, 30 * minute, hour, 2 * hour, 6 * hour, 12 * hour, 24 * hour, 48 * hour];
    if (wanted > steps[0]) return steps.find((step) => step >= wanted) ?? wanted;
    const power = 10 ** Math.floor(Math.log10(wanted));
    return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= wanted);
  }

  function drawNames(pen) {
    pen.save();
    pen.beginPath();
    pen.rect(0, layout.top - 8, layout.width, layout.height);
    pen.clip();
    if (layout.gutter) {
      pen.fillStyle = color.panel;
      pen.fillRect(0, 0, layout.gutter - 1, layout.height);
    }
    for (const lane of layout.rows) {
      const name = data.lanes[lane];
      if (layout.gutter) {
        pen.fillStyle = color.ink;
        pen.font = "600 12.5px system-ui, sans-serif";
        pen.fillText(cut(pen, name, layout.gutter - 20), 12, y(lane));
      } else {
        pen.font = "600 11px system-ui, sans-serif";
        pen.fillStyle = color.panel;
        pen.fillRect(0, y(lane) - layout.row / 2 + 1, pen.measureText(name).width + 12, 15);
        pen.fillStyle = color.muted;
        pen.fillText(name, 6, y(lane) - layout.row / 2 + 9);
      }
    }
    pen.font = "12px system-ui, sans-serif";
    pen.restore();
    if (layout.gutter) {
      pen.fillStyle = color.panel;
      pen.fillRect(0, 0, layout.gutter - 1, layout.top - 8);
      pen.fillStyle = color.muted;
      if (data.faults.length) pen.fillText("faults", 12, AXIS + TRACK / 2 - 1);
    }
  }

  let density = [], densityOf = null;
  function drawOverview() {
    const pen = overview.getContext("2d"), tall = 44, wide = layout.width;
    if (densityOf !== state.seen || density.length !== wide) {
      density = new Array(Math.max(1, wide)).fill(0);
      for (const index of state.seen) density[Math.min(wide - 1, Math.floor(records[index][AT] / (data.end || 1) * wide))] += 1;
      densityOf = state.seen;
    }
    const most = Math.log1p(density.reduce((one, other) => Math.max(one, other), 1));
    const at = (time) => time / (data.end || 1) * wide;
    pen.clearRect(0, 0, wide, tall);
    pen.fillStyle = color.fault;
    for (const fault of data.faults) {
      pen.globalAlpha = fault.felt ? 0.2 : 0.08;
      pen.fillRect(at(fault.at), 0, Math.max(1, at(fault.until) - at(fault.at)), tall);
    }
    pen.globalAlpha = 0.7;
    pen.fillStyle = color.frame;
    density.forEach((number, pixel) => {
      const high = Math.log1p(number) / most * (tall - 8);
      if (number) pen.fillRect(pixel, tall - high, 1, high);
    });
    pen.globalAlpha = 1;
    pen.fillStyle = color.proof;
    for (const one of data.evidence) pen.fillRect(at(one.at) - 1, 0, 2, tall);
    pen.fillStyle = color.paper;
    pen.globalAlpha = 0.65;
    pen.fillRect(0, 0, at(state.from), tall);
    pen.fillRect(at(state.to), 0, wide, tall);
    pen.globalAlpha = 1;
    pen.strokeStyle = color.ink;
    pen.lineWidth = 1.5;
    pen.strokeRect(at(state.from) + 0.75, 0.75, Math.max(4, at(state.to) - at(state.from)) - 1.5, tall - 1.5);
  }

  // ---- what is said

  function tell() {
    const whole = state.to - state.from >= data.end;
    element("view").textContent = whole ? `${readable(data.end)}, ${counted(state.drawn, "record")}`
      : `${readable(state.from)} – ${readable(state.to)}, ${counted(state.drawn, "record")}`;
    stage.dataset.from = Math.round(state.from);
    stage.dataset.to = Math.round(state.to);
    stage.dataset.drawn = state.drawn;
    stage.dataset.focus = state.focus;
    list();
  }

  let listed = "";
  function list() {
    const box = element("listing");
    const key = `${state.from} ${state.to} ${state.focus} ${state.seen.length} ${state.stream}`;
    if (!box.parentElement.open || key === listed) return;
    listed = key;
    const first = place(state.from), last = place(state.to + 1);
    const rows = state.seen.slice(first, Math.min(last, first + LISTED_MAX)).map((index) => {
      const row = document.createElement("li"), button = document.createElement("button");
      const [when, who, what] = ["when", "who", "what"].map((name) => {
        const part = document.createElement("span");
        part.className = name;
        return part;
      });
      when.textContent = readable(records[index][AT]);
      who.textContent = data.lanes[records[index][LANE]];
      what.textContent = sentence(index);
      button.type = "button";
      button.append(when, who, what);
      button.classList.toggle("is-focus", index === state.focus);
      button.classList.toggle("is-proof", proof.has(index));
      button.addEventListener("click", () => focus(index));
      row.append(button);
      return row;
    });
    if (last - first > LISTED_MAX) {
      const more = document.createElement("li");
      more.textContent = `and ${counted(last - first - LISTED_MAX, "record")} more: zoom in`;
      rows.push(more);
    }
    box.replaceChildren(...rows);
  }

  function focus(index) {
    state.focus = index;
    const record = records[index];
    if (record[AT] < state.from || record[AT] > state.to) {
      const half = (state.to - state.from) / 2;
      look(record[AT] - half, record[AT] + half);
    }
    const box = element("record"), when = document.createElement("b"), who = document.createElement("b");
    when.textContent = readable(record[AT]);
    who.textContent = data.lanes[record[LANE]];
    box.replaceChildren(when, " ", who, ` ${sentence(index)}`);
    box.classList.toggle("is-proof", proof.has(index));
    if (proof.has(index)) box.append(" — evidence");
    request();
  }

  function step(by) {
    if (!state.seen.length) return;
    let at = state.seen.indexOf(state.focus);
    if (at < 0) at = by > 0 ? place(state.from) : place(state.to + 1) - 1; else at += by;
    focus(state.seen[Math.min(Math.max(at, 0), state.seen.length - 1)]);
  }

  // ---- looking around

  function look(from, to) {
    const whole = Math.max(data.end, SPAN_MIN);
    const span = Math.min(Math.max(to - from, SPAN_MIN), whole);
    const begin = Math.min(Math.max(from + (to - from - span) / 2, 0), whole - span);
    state.from = begin;
    state.to = begin + span;
    request();
  }

  function zoom(factor, around = (state.from + state.to) / 2) {
    look(around - (around - state.from) / factor, around + (state.to - around) / factor);
  }

  const pan = (share) => look(state.from + share * (state.to - state.from), state.to + share * (state.to - state.from));

  // Where it broke first, back to the last of its evidence.
  function jump() {
    if (broke === null) return;
    const first = data.evidence.find((one) => one.at === broke);
    const indices = first.records.map((index) => index - data.first).filter((index) => index >= 0 && index < records.length);
    const before = indices.filter((index) => records[index][AT] <= broke), last = before.at(-1) ?? indices[0];
    const left = Math.min(broke - 5e6, last === undefined ? broke : records[last][AT]);
    const room = Math.max(2e6, (broke - left) * 0.12);
    look(left - room, broke + room);
    if (last !== undefined) focus(last);
  }

  function pointedAt(atX, atY) {
    if (atY < layout.top - 8) return -1;
    const reach = (REACH + 3) / (layout.width - layout.gutter) * (state.to - state.from), time = timeAt(atX);
    let best = -1, least = REACH;
    const weigh = (index, distance) => { if (distance < least) { least = distance; best = index; } };
    for (let at = place(time - reach), end = place(time + reach); at < end; at += 1) {
      const index = state.seen[at], record = records[index];
      if (record[LANE] === 0) continue;
      const path = record[PATH].filter((lane) => layout.y.has(lane)), off = Math.abs(x(record[AT]) - atX);
      const beat = record[KIND] === BEAT && path.length < 2 ? 12 : 0;
      if (path.length > 1) {
        const [one, other] = [y(path[0]), y(path.at(-1))];
        if (atY > Math.min(one, other) - REACH && atY < Math.max(one, other) + REACH) weigh(index, off + 1);
      } else {
        weigh(index, Math.hypot(off, y(record[LANE]) + beat - atY));
      }
    }
    if (best >= 0) return best;
    for (const index of state.spans) {
      const record = records[index];
      if (record[AT] <= time && time <= record[UNTIL] && layout.y.has(record[LANE])) {
        weigh(index, Math.abs(Math.abs(y(record[LANE]) - atY) - 12) + 2);
      }
    }
    return best;
  }

  function faultAt(atX, atY) {
    const time = timeAt(atX), track = Math.floor((atY - AXIS) / TRACK);
    return data.faults.find((fault, index) => layout.tracks.get(index) === track && fault.at <= time && time <= fault.until);
  }

  function hover(event) {
    const box = stage.getBoundingClientRect(), atX = event.clientX - box.left, atY = event.clientY - box.top;
    state.hover = pointedAt(atX, atY);
    const fault = faultAt(atX, atY);
    stage.dataset.hover = state.hover;
    if (state.hover < 0 && !fault) {
      tip.hidden = true;
    } else {
      const title = document.createElement("b");
      title.textContent = fault ? `${readable(fault.at)} – ${readable(fault.until)}  fault ${fault.number}`
        : `${readable(records[state.hover][AT])}  ${data.lanes[records[state.hover][LANE]]}`;
      tip.replaceChildren(title, fault ? `${fault.text}${fault.felt ? "" : " (it harmed nothing)"}` : sentence(state.hover));
      tip.hidden = false;
      const wide = tip.offsetWidth, tall = tip.offsetHeight;
      tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, document.documentElement.clientWidth - wide - 8))}px`;
      tip.style.top = `${event.clientY + 18 + tall > window.innerHeight ? event.clientY - tall - 12 : event.clientY + 18}px`;
    }
    request();
  }

  // ---- hands

  const pointers = new Map();
  let dragged = 0;
  stage.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, event.clientX);
    dragged = 0;
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) return hover(event);
    const before = [...pointers.values()];
    pointers.set(event.pointerId, event.clientX);
    const after = [...pointers.values()], wide = layout.width - layout.gutter;
    if (after.length === 1) {
      dragged += Math.abs(after[0] - before[0]);
      if (dragged > 3) pan((before[0] - after[0]) / wide);
    } else {
      dragged = Infinity;
      const apart = Math.abs(after[0] - after[1]), was = Math.abs(before[0] - before[1]);
      const middle = (after[0] + after[1]) / 2 - stage.getBoundingClientRect().left;
      if (was > 10 && apart > 10) zoom(apart / was, timeAt(middle));
    }
    tip.hidden = true;
  });
  const lift = (event) => {
    if (pointers.delete(event.pointerId) && event.type === "pointerup" && dragged <= 3) {
      hover(event);
      if (state.hover >= 0) focus(state.hover);
      if (event.pointerType !== "mouse") tip.hidden = true;
    }
  };
  stage.addEventListener("pointerup", lift);
  stage.addEventListener("pointercancel", lift);
  stage.addEventListener("pointerleave", () => { state.hover = -1; tip.hidden = true; request(); });
  stage.addEventListener("wheel", (event) => {
    const whole = state.from <= 0 && state.to >= data.end;
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      pan((event.deltaX || event.deltaY) / layout.width);
    } else if (whole && event.deltaY > 0) {
      return; // There is nothing more to show: the page scrolls.
    } else {
      zoom(Math.exp(-event.deltaY / 300), timeAt(event.clientX - stage.getBoundingClientRect().left));
    }
    event.preventDefault();
  }, { passive: false });
  stage.addEventListener("scroll", () => { layout.scroll = stage.scrollTop; request(); });

  let brushing = false;
  const brush = (event) => {
    const box = overview.getBoundingClientRect(), half = (state.to - state.from) / 2;
    const time = (event.clientX - box.left) / box.width * data.end;
    look(time - half, time + half);
  };
  overview.addEventListener("pointerdown", (event) => { brushing = true; overview.setPointerCapture(event.pointerId); brush(event); });
  overview.addEventListener("pointermove", (event) => { if (brushing) brush(event); });
  for (const over of ["pointerup", "pointercancel"]) overview.addEventListener(over, () => { brushing = false; });

  const whole = () => look(0, data.end);
  const keys = {
    "+": () => zoom(ZOOM_STEP), "=": () => zoom(ZOOM_STEP), "-": () => zoom(1 / ZOOM_STEP), "_": () => zoom(1 / ZOOM_STEP),
    ArrowLeft: () => pan(-PAN_STEP), ArrowRight: () => pan(PAN_STEP), ArrowUp: () => step(-1), ArrowDown: () => step(1),
    Home: whole, End: () => look(data.end - (state.to - state.from), data.end), b: jump,
  };
  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return;
    keys[event.key]();
    event.preventDefault();
  });

  for (const [id, act] of [["zoom-in", keys["+"]], ["zoom-out", keys["-"]], ["left", keys.ArrowLeft], ["right", keys.ArrowRight],
    ["all", whole], ["jump", jump], ["previous", keys.ArrowUp], ["next", keys.ArrowDown]]) {
    element(id).addEventListener("click", act);
  }
  element("jump").hidden = broke === null;
  for (const button of document.querySelectorAll("button.when")) {
    button.title = "Show it in the timeline";
    button.addEventListener("click", () => {
      const time = Number(button.dataset.at), span = Math.min(data.end, 40e6);
      look(time - span / 2, time + span / 2);
      stage.scrollIntoView({ block: "center" });
      stage.focus({ preventScroll: true });
    });
  }

  // ---- what can be chosen

  function box(name, checked, swatch, change) {
    const label = document.createElement("label"), input = document.createElement("input");
    input.type = "checkbox";
    input.checked = checked;
    input.addEventListener("change", () => { change(input.checked); filter(); });
    label.append(input);
    if (swatch) {
      const dab = document.createElement("i");
      dab.style.background = `var(--${swatch})`;
      label.append(dab);
    }
    label.append(name);
    return label;
  }
  const choose = (set, one) => (on) => { if (on) set.add(one); else set.delete(one); };
  const present = new Set(records.map((record) => record[KIND]));
  element("kinds").append(...KINDS.flatMap(([name, swatch], kind) =>
    present.has(kind) ? [box(name, true, swatch, choose(state.kinds, kind))] : []));
  element("hosts-list").append(...data.lanes.flatMap((name, lane) =>
    lane ? [box(name, true, null, choose(state.lanes, lane))] : []));
  element("stream").append(...data.streams.map(([lane, name], stream) => {
    const option = document.createElement("option");
    option.value = stream;
    option.textContent = `${data.lanes[lane]}: ${name}`;
    return option;
  }));
  element("stream").addEventListener("change", (event) => { state.stream = Number(event.target.value); filter(); });
  document.querySelector(".listing").addEventListener("toggle", () => { listed = ""; request(); });

  // ---- theme, clipboard

  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)");
  const repaint = () => { readColors(); request(); };
  function remembered(theme) {
    try {
      if (theme) localStorage.setItem("pulseless-theme", theme);
      return localStorage.getItem("pulseless-theme");
    } catch {
      return theme; // A browser may keep nothing for a file.
    }
  }
  const shownTheme = () => root.dataset.theme ?? (dark.matches ? "dark" : "light");
  function setTheme(theme) {
    root.dataset.theme = theme;
    element("theme").textContent = theme === "dark" ? "Light" : "Dark";
    repaint();
  }
  element("theme").addEventListener("click", () => {
    const theme = shownTheme() === "dark" ? "light" : "dark";
    remembered(theme);
    setTheme(theme);
  });
  const before = remembered();
  if (before === "dark" || before === "light") setTheme(before);
  else element("theme").textContent = dark.matches ? "Light" : "Dark";
  dark.addEventListener("change", repaint);

  element("copy").addEventListener("click", async () => {
    const line = element("again"), range = document.createRange();
    range.selectNodeContents(line);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    let done = false;
    try {
      await navigator.clipboard.writeText(line.textContent);
      done = true;
    } catch {
      done = document.execCommand("copy"); // What a page from file:// may still do.
    }
    element("copy").textContent = done ? "Copied" : "Selected";
  });

  readColors();
  filter();
  new ResizeObserver(arrange).observe(stage.parentElement);
})();
