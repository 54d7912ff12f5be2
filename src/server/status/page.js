"use strict";
const PERIOD_MS = 2000;
const SVG = "http://www.w3.org/2000/svg";
const KEY = "taffrail-key";
const byId = (id) => document.getElementById(id);
const DASH = "—";
const MARKS = { measured: "", apportioned: "≈", estimated: "~" };

// Text is always put in as text, so that no name of a model or client can be markup.
function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined && text !== null) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function digits(value) {
  if (value === null || value === undefined) return DASH;
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}
const count = (value) => (value === null || value === undefined ? DASH : value.toLocaleString("en"));
const millis = (value) => (value === null || value === undefined ? DASH : Math.round(value).toLocaleString("en"));
const graded = (value, grade) => (value === null || value === undefined ? DASH : (MARKS[grade] ?? "?") + digits(value));

function bytes(value) {
  if (value === null || value === undefined) return DASH;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let place = 0;
  for (; value >= 1000 && place < units.length - 1; place++) value /= 1000;
  return (place === 0 ? value : value.toFixed(1)) + " " + units[place];
}

function span(seconds) {
  if (seconds < 60) return Math.round(seconds) + " s";
  if (seconds < 3600) return Math.round(seconds / 60) + " min";
  return seconds < 86400 ? (seconds / 3600).toFixed(1) + " h" : Math.round(seconds / 86400) + " d";
}

// The next round number, so that the axis keeps still.
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999);
}

function shape(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function graph(place, points, stepSeconds, unit) {
  const [width, height, left, top, bottom] = [440, 130, 44, 8, 18];
  const known = points.filter((point) => point !== null);
  const most = ceiling(Math.max(1, ...known));
  const n = Math.max(points.length, 300);
  const x = (index) => left + ((index + n - points.length) / (n - 1)) * (width - left);
  const y = (value) => top + (1 - value / most) * (height - top - bottom);
  const mean = known.reduce((sum, one) => sum + one, 0) / known.length;
  const label = `${unit}: least ${digits(Math.min(...known))}, mean ${digits(mean)}, most ${digits(Math.max(...known))}`;
  const drawn = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  for (const value of [0, most / 2, most]) {
    drawn.append(shape("line", { class: "grid", x1: left, x2: width, y1: y(value), y2: y(value) }));
    const text = Number.isInteger(value) ? String(value) : digits(value);
    drawn.append(shape("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, text));
  }
  drawn.append(shape("text", { x: left, y: height - 3 }, "−" + span(n * stepSeconds)));
  drawn.append(shape("text", { x: width, y: height - 3, "text-anchor": "end" }, "now"));
  // A gap stays one: nothing was read there.
  let run = [];
  const flush = () => {
    if (run.length > 0) {
      const line = run.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(" L");
      const [first, last] = [x(run[0][0]).toFixed(1), x(run[run.length - 1][0]).toFixed(1)];
      drawn.append(shape("path", { class: "area", d: `M${first},${y(0)} L${line} L${last},${y(0)} Z` }));
      drawn.append(shape("path", { class: "line", d: `M${line}` }));
    }
    run = [];
  };
  points.forEach((value, at) => (value === null ? flush() : run.push([at, value])));
  flush();
  place.replaceChildren(drawn);
}

// Columns: head, the cell of a row as text or as [text, class], and how it stands.
function table(place, columns, rows, empty) {
  if (rows.length === 0) return place.replaceChildren(element("p", empty));
  const made = element("table");
  const head = made.createTHead().insertRow();
  for (const [title, , className] of columns) head.append(element("th", title, className));
  const body = made.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const [, cell, className] of columns) {
      const [text, more] = [cell(row)].flat();
      const made = element("td", text, [className, more].filter(Boolean).join(" "));
      if (className?.startsWith("name")) made.title = text;
      line.append(made);
    }
  }
  // Where it was scrolled to, it stays.
  const { scrollLeft } = place;
  place.replaceChildren(made);
  place.scrollLeft = scrollLeft;
}

const STATES = { failed: "bad", lost: "bad", decoding: "good", reasoning: "good", prefill: "good", answering: "good", thinking: "good", reading: "good" };

const MODELS = [
  ["Model", (one) => one.name, "name"],
  ["State", (one) => [one.loaded === null ? one.state : `loading ${Math.round(one.loaded * 100)} %`, STATES[one.state]]],
  ["Running", (one) => count(one.n_running), "n small"],
  ["Waiting", (one) => count(one.n_waiting), "n small"],
  ["tok/s", (one) => digits(one.tokens_per_second), "n"],
  ["Memory", (one) => bytes(one.memory_bytes), "n"],
  ["W", (one) => graded(one.watts, one.watts_grade), "n minor"],
  ["J/tok", (one) => graded(one.joules_per_token, one.joules_per_token_grade), "n minor"],
  ["Context", (one) => count(one.context), "n minor"],
  ["", (one) => one.reason ?? (one.expires_in_s === null ? "" : `unloaded in ${span(one.expires_in_s)}`), "reason minor muted"],
];

const REQUESTS = [
  ["State", (one) => [one.state === "done" ? (one.finish ?? "done").replace("_", " ") : one.state, STATES[one.state]]],
  ["Client", (one) => one.client, "name small"],
  ["Agent", (one) => one.agent ?? DASH, "name minor"],
  ["API", (one) => one.api ?? DASH, "minor"],
  ["Model", (one) => one.model, "name"],
  ["Queue ms", (one) => millis(one.queue_ms), "n minor"],
  ["TTFT ms", (one) => millis(one.ttft_ms), "n small"],
  ["pp tok/s", (one) => digits(one.prompt_tokens_per_second), "n minor"],
  ["tok/s", (one) => digits(one.generation_tokens_per_second), "n"],
  ["Cached", (one) => count(one.tokens.cached), "n minor"],
  ["Prompt", (one) => count(one.tokens.prompt), "n minor"],
  ["Tokens", (one) => count(one.tokens.generated), "n"],
  ["J", (one) => graded(one.energy.joules, one.energy.grade), "n minor"],
];

function show(status) {
  const { machine, graphs } = status;
  const facts = [machine.name, machine.processor];
  if (machine.cpu_percent !== null) facts.push(`cpu ${Math.round(machine.cpu_percent)} %`);
  if (machine.memory_total !== null) facts.push(`memory ${bytes(machine.memory_used)} of ${bytes(machine.memory_total)}`);
  for (const gpu of machine.gpus) {
    const load = gpu.usage_percent === null ? "" : ` ${Math.round(gpu.usage_percent)} %`;
    const memory = gpu.memory_total === null ? "" : `, ${bytes(gpu.memory_used)} of ${bytes(gpu.memory_total)}`;
    facts.push(gpu.name + load + memory);
  }
  facts.push(`${count(status.n_models)} models in the library`);
  byId("machine").textContent = facts.filter(Boolean).join(" · ");

  const speed = graphs.tokens_per_second;
  byId("throughput-now").textContent = `${digits(speed[speed.length - 1])} tok/s`;
  graph(byId("throughput"), speed, graphs.step_s, "tok/s");

  const { power } = machine;
  byId("power-now").textContent = power.watts === null ? DASH : `${graded(power.watts, power.grade)} W ${power.boundary} ${power.grade}`;
  if (graphs.power.points.some((point) => point !== null)) {
    graph(byId("power"), graphs.power.points, graphs.step_s, "W");
  } else {
    const told = element("p", power.reason ?? "no power was read yet", "muted");
    if (power.remedy) told.append(document.createElement("br"), element("code", power.remedy));
    byId("power").replaceChildren(told);
  }
  table(byId("models"), MODELS, status.models, "No model is loaded. A request for one loads it.");
  table(byId("requests"), REQUESTS, status.requests, "No requests yet.");
}

function ask(refused) {
  document.querySelector("main").hidden = true;
  byId("ask").hidden = false;
  byId("state").textContent = refused ?? "";
  byId("state").className = refused ? "bad" : "muted";
}

async function look() {
  const key = sessionStorage.getItem(KEY);
  try {
    const headers = key ? { authorization: `Bearer ${key}` } : {};
    const answer = await fetch("status.json", { headers, cache: "no-store", credentials: "omit" });
    if (answer.status === 401 || answer.status === 403) {
      const told = key ? ((await answer.json().catch(() => null))?.error?.message ?? "this key is refused") : null;
      sessionStorage.removeItem(KEY);
      return ask(told);
    }
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    show(await answer.json());
    document.querySelector("main").hidden = false;
    byId("ask").hidden = true;
    byId("state").textContent = "";
  } catch (error) {
    // What was seen last stays, and is said to be old.
    byId("state").textContent = `the server does not answer (${error.message})`;
    byId("state").className = "bad";
  }
  timer = setTimeout(look, PERIOD_MS);
}

let timer;
byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, byId("key").value.trim());
  byId("key").value = "";
  look();
});
// Nobody looks: nothing is asked.
document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (!document.hidden && byId("ask").hidden) look();
});
look();
