// Owns the drawing of the page: it keeps what the server sent and draws what changed.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const SEVERITIES = ["critical", "major", "minor"];
const STATES = {
  unknown: ["\u2013", "no counts yet"],
  open: ["\u25CB", "open"],
  restricted: ["\u25D2", "restricted"],
  closed: ["\u2298", "closed"],
  closed_all_day: ["\u2298", "closed all day"],
  blind: ["?", "blind"],
};
const READINGS = {
  starting: "reading the topics",
  live: "live",
  failed: "the daemon cannot read its topics: what is shown may be old",
};
/// Cards that are open or were: the alert's last change they belong to, and what they show.
const cards = new Map();
const openCards = new Set();
/// Of counts up to this a plot is no higher: a band of one arrival is no wall.
const LEAST_TOP = 4;
const known = { day: null, corridors: [], crossings: new Map(), told: [], reading: "starting" };

/// An element with its class, text or children.
function make(tag, name, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...children.filter((child) => child !== null));
  return element;
}

function draw(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/// "2023-11-18T14:13:00+02:00" as "Sat 18 Nov 2023 14:13", in the crossing's own time.
function civil(text) {
  const date = new Date(text.slice(0, 10) + "T00:00:00Z");
  const shown = date.toLocaleDateString("en-GB", { weekday: "short", day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
  return shown.replace(",", "") + " " + text.slice(11, 16);
}

function number(value) {
  return Math.round(value).toLocaleString("en-GB").replaceAll(",", "\u202F");
}

/// The last days as bars over the band of what is usual, closed and blind days shaded; at the right, hollow, the day so far.
function plot(days, today, label) {
  const width = 280;
  const height = 48;
  const step = width / 29;
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, class: "plot", role: "img", preserveAspectRatio: "none", "aria-label": label });
  const most = Math.max(LEAST_TOP, today?.observed ?? 0, ...days.map((day) => Math.max(day.observed, day.upper)));
  const y = (value) => height - (value / most) * (height - 2);
  const left = (index) => width - (days.length + 1 - index) * step;
  days.forEach((day, index) => {
    const x = left(index);
    if (day.exposure <= 0) {
      const fill = day.blind > 0 ? "url(#blind)" : "url(#shut)";
      svg.append(draw("rect", { x, y: 0, width: step, height, fill }));
      return;
    }
    const top = y(day.upper);
    svg.append(draw("rect", { x, y: top, width: step, height: Math.max(1, y(day.lower) - top), class: "band" }));
  });
  days.forEach((day, index) => {
    if (day.observed === 0) return;
    const x = left(index) + step / 2;
    const kind = day.exposure > 0 && (day.observed > day.upper || day.observed < day.lower) ? "above" : "bar";
    svg.append(draw("path", { d: `M${x} ${height}V${y(day.observed)}`, class: kind, "stroke-width": step * (kind === "above" ? 0.8 : 0.4) }));
  });
  if (today?.observed > 0) {
    const top = y(today.observed);
    svg.append(draw("rect", { x: left(days.length) + step * 0.1, y: top, width: step * 0.8, height: height - top, class: "today" }));
  }
  svg.append(draw("path", { d: `M0 ${height - 0.5}H${width}`, class: "base" }));
  return make("figure", "", svg, make("figcaption", "", make("span", "", short(days[0].start)), make("span", "", `top: ${number(most)}`), make("span", "", short((today ?? days.at(-1)).start))));
}

/// "2023-11-18T..." as "18 Nov".
function short(text) {
  return civil(text).split(" ").slice(1, 3).join(" ");
}

function usual(day) {
  if (day.upper === 0) return "usually none";
  if (day.lower === 0) return `usually at most ${number(day.upper)}`;
  return `usually ${number(day.lower)} to ${number(day.upper)}`;
}

function seriesLines(series, several) {
  const last = series.days.at(-1);
  const lines = [];
  if (series.today) {
    lines.push(make("p", "", make("b", "", number(series.today.observed)), ` so far on ${short(series.today.start)}`));
  }
  if (last) {
    const word = last.exposure > 0 ? usual(last) : last.blind > 0 ? "blind" : "closed";
    lines.push(make("p", "", make("b", "", number(last.observed)), ` on ${short(last.start)}; ${word}`));
  }
  if (several) lines.unshift(make("p", "", series.stream));
  return lines;
}

function place(crossing) {
  const [glyph, word] = STATES[crossing.state];
  const alerts = known.told.filter((t) => t.is_open && t.kind === "alert" && t.crossings.includes(crossing.id));
  const card = make("article", alerts.length ? "place alert" : "place");
  card.id = crossing.id;
  card.append(make("h4", "", make("b", "", crossing.name), make("span", "state", `${glyph} ${word}`)));
  for (const alert of alerts) card.append(make("p", "flag", `${mark(alert)} ${alert.severity} ${alert.direction}`));
  const counted = crossing.series.filter((series) => series.days.length > 0 || series.today);
  // A stream that never counted anything says nothing beside one that did.
  const busy = counted.filter((series) => series.today?.observed > 0 || series.days.some((day) => day.observed > 0));
  const shown = busy.length ? busy : counted.slice(0, 1);
  for (const series of shown) {
    const last = series.days.at(-1);
    const label = last ? `${crossing.name}, ${series.stream}: ${last.observed} on ${last.start.slice(0, 10)}, ${usual(last)}` : crossing.name;
    card.append(...seriesLines(series, shown.length > 1), last ? plot(series.days, series.today, label) : "");
  }
  return card;
}

function drawBorder() {
  const all = [...known.crossings.values()];
  const parts = [];
  const silent = [];
  for (const [id, name] of known.corridors) {
    const of = all.filter((crossing) => crossing.corridor === id).sort((a, b) => a.order - b.order);
    const seen = of.filter((crossing) => crossing.state !== "unknown");
    silent.push(...of.filter((crossing) => crossing.state === "unknown").map((crossing) => crossing.name));
    if (seen.length) parts.push(make("h3", "", name), make("div", "strip", ...seen.map(place)));
  }
  if (silent.length) parts.push(make("p", "quiet", `No counts yet of ${silent.join(", ")}.`));
  document.getElementById("border").replaceChildren(...parts);
}

function mark(told) {
  return told.direction === "surge" ? "\u25B2" : told.direction === "drop" ? "\u25BC" : "\u2022";
}

/// The evidence of an alert, fetched once it is opened and again after each change of the alert and each day.
function evidence(told) {
  const shown = make("div", "");
  const details = make("details", "card", make("summary", "", "Evidence"), shown);
  const change = `${told.as_of} ${told.transition} ${known.day}`;
  const fill = (html) => {
    shown.innerHTML = html;
    // A plot stays readable on a phone: it is as wide as it must be, and its latest days are in view.
    const svg = shown.querySelector("svg.plot");
    if (!svg) return;
    const wide = make("div", "wide");
    svg.replaceWith(wide);
    wide.append(svg);
    wide.scrollLeft = wide.scrollWidth;
  };
  const show = async () => {
    const kept = cards.get(told.key);
    if (kept) fill(kept.html);
    if (kept?.change === change) return;
    const answer = await fetch(`/live/card/${encodeURIComponent(told.key)}`).catch(() => null);
    if (!answer?.ok) return;
    const html = await answer.text();
    cards.set(told.key, { change, html });
    fill(html);
  };
  details.open = openCards.has(told.key);
  if (details.open) show();
  details.addEventListener("toggle", () => {
    if (!details.isConnected) return;
    if (!details.open) return openCards.delete(told.key);
    openCards.add(told.key);
    show();
  });
  return details;
}

function toldItem(told, inside) {
  // A crossing that fell and rose since is in it twice.
  const names = [...new Set(told.crossings)].map((id) => known.crossings.get(id)?.name ?? id);
  const what = told.kind === "notice" ? "notice" : `${mark(told)} ${told.severity ?? ""} ${told.direction ?? ""}`;
  const head = make("p", "head", make("b", "", what), make("b", "", names.join(", ")), make("span", "", `last told ${civil(told.as_of)}`));
  if (!told.is_open) head.append(make("span", "", told.transition));
  const at = told.kind === "alert" ? known.crossings.get(told.crossings[0]) : null;
  if (told.is_open && at && at.state !== "open") head.append(make("span", "", STATES[at.state].join(" ")));
  const item = make("li", `told ${told.severity ?? ""}`, head, make("p", "", told.summary));
  if (told.kind === "alert") item.append(evidence(told));
  if (inside.length) {
    const word = inside.length === 1 ? "alert" : "alerts";
    item.append(make("details", "", make("summary", "", `${inside.length} ${word} in it`), make("ul", "", ...inside.map((alert) => toldItem(alert, [])))));
  }
  return item;
}

function bySeverity(a, b) {
  const rank = (told) => (told.severity ? SEVERITIES.indexOf(told.severity) : SEVERITIES.length);
  return rank(a) - rank(b) || Date.parse(b.as_of) - Date.parse(a.as_of);
}

/// Incidents with their alerts inside, then alerts that are in none, then notices.
function drawNow() {
  const open = known.told.filter((told) => told.is_open).sort(bySeverity);
  const kind = (name) => open.filter((told) => told.kind === name);
  const incidents = kind("incident");
  const holds = (incident, alert) => incident.stream === alert.stream && incident.crossings.includes(alert.crossings[0]);
  const alone = kind("alert").filter((alert) => !incidents.some((incident) => holds(incident, alert)));
  const items = [
    ...incidents.map((incident) => toldItem(incident, kind("alert").filter((alert) => holds(incident, alert)))),
    ...alone.map((alert) => toldItem(alert, [])),
    ...kind("notice").map((notice) => toldItem(notice, [])),
  ];
  const calm = "Nothing is open: no crossing is above or below what is usual.";
  const none = make("p", "quiet", known.reading === "live" ? calm : "Not known yet: the topics have not been read.");
  const opened = document.querySelectorAll("#now details:not(.card)[open]").length > 0;
  document.getElementById("now").replaceChildren(items.length ? make("ul", "", ...items) : none);
  if (opened) for (const details of document.querySelectorAll("#now details:not(.card)")) details.open = true;
  const ended = known.told.filter((told) => !told.is_open).sort((a, b) => Date.parse(b.as_of) - Date.parse(a.as_of));
  document.getElementById("ended-list").replaceChildren(
    ended.length ? make("ul", "", ...ended.map((told) => toldItem(told, []))) : make("p", "quiet", "Nothing."),
  );
}

function connection(text, lost) {
  const line = document.getElementById("connection");
  if (line.textContent !== text) line.textContent = text;
  line.className = lost ? "lost" : "";
}

function take(message) {
  const view = message.view;
  let is_new_day = false;
  const is_new_reading = known.reading !== message.reading;
  known.reading = message.reading;
  if (view.corridors) known.corridors = view.corridors;
  for (const crossing of view.crossings) known.crossings.set(crossing.id, crossing);
  if (view.told) known.told = view.told;
  if (view.as_of) {
    is_new_day = known.day !== view.as_of.slice(0, 10);
    known.day = view.as_of.slice(0, 10);
    document.getElementById("clock").textContent = `As of ${civil(view.as_of)}, the latest event`;
  }
  connection(READINGS[message.reading], message.reading === "failed");
  if (view.told || is_new_day || is_new_reading) drawNow();
  if (view.told || view.crossings.length) drawBorder();
}

window.addEventListener("error", () => connection("this page has failed: load it again", true));
const events = new EventSource("/live/events");
events.onmessage = (event) => take(JSON.parse(event.data));
events.onerror = () => connection("not connected to the daemon: what is shown may be old", true);
