"use strict";
// What a reader can do on the page: filter and page the checks, page long lists, search columns.
// All that is shown was written by the release; the script only chooses.
const CHECKS_A_PAGE = 25, ROWS_A_PAGE = 20;
const byId = id => document.getElementById(id);
const wordsOf = text => text.toLowerCase().split(/\s+/).filter(Boolean);
for (const part of document.querySelectorAll(".scripted")) part.hidden = false;

// A list of which one page is shown, with buttons to the others; `show` is given what is on it.
function paged(place, items, size, show, what) {
  const pages = Math.ceil(items.length / size);
  const bar = document.createElement("div"), told = document.createElement("span");
  let page = 0;
  bar.className = "pages";
  const button = (words, step) => {
    const made = bar.appendChild(document.createElement("button"));
    made.type = "button";
    made.textContent = words;
    made.addEventListener("click", () => turn(step));
    return made;
  };
  const earlier = button("Earlier", -1);
  bar.append(told);
  const later = button("Later", 1);
  told.setAttribute("aria-live", "polite");
  function turn(step) {
    page += step;
    const first = page * size, here = items.slice(first, first + size);
    show(here);
    told.textContent = `${what} ${(first + 1).toLocaleString("en")}–`
      + `${(first + here.length).toLocaleString("en")} of ${items.length.toLocaleString("en")}`;
    earlier.disabled = page === 0;
    later.disabled = page === pages - 1;
  }
  turn(0);
  if (pages > 1) place.append(bar);
}

// ---------------------------------------------------------------- checks

const filters = byId("filters");
if (filters) {
  const held = byId("checks-all"), shown = byId("checks-shown"), found = byId("checks-found");
  // Kept as text by the browser; one article each.
  const checks = [], all = held.textContent, mark = "<article ";
  for (let at = all.indexOf(mark), next; at >= 0; at = next) {
    next = all.indexOf(mark, at + 1);
    const html = all.slice(at, next < 0 ? all.length : next), facets = {};
    const head = html.slice(0, html.indexOf(">"));
    for (const [, name, value] of head.matchAll(/ data-(\w+)="([^"]*)"/g)) facets[name] = value;
    checks.push({html, facets});
  }
  const chosen = [...filters.querySelectorAll("[data-by]")], text = byId("by-text");
  const textOf = check => check.text ??=
    check.html.replace(/<[^>]*>/g, " ").replace(/&amp;/g, "&").replace(/&lt;/g, "<")
      .replace(/&gt;/g, ">").toLowerCase();
  let left = checks;
  const put = (place, some) => { place.innerHTML = some.map(check => check.html).join(""); };

  function filter() {
    const wanted = wordsOf(text.value), by = chosen.filter(field => field.value);
    left = checks.filter(check =>
      by.every(field => check.facets[field.dataset.by] === field.value)
      && wanted.every(word => textOf(check).includes(word)));
    found.textContent = `${left.length.toLocaleString("en")} of `
      + `${checks.length.toLocaleString("en")} checks`;
    const list = document.createElement("div");
    shown.replaceChildren(list);
    if (left.length) paged(shown, left, CHECKS_A_PAGE, here => put(list, here), "checks");
    else list.textContent = "No check is so.";
  }
  filters.addEventListener("input", filter);
  filters.addEventListener("submit", event => event.preventDefault());
  filters.addEventListener("reset", () => setTimeout(filter));
  shown.addEventListener("toggle", event => {
    for (const list of event.target.querySelectorAll("ol.paged")) {
      list.classList.remove("paged");
      const rows = [...list.children];
      const after = document.createElement("div");
      list.after(after);
      paged(after, rows, ROWS_A_PAGE, here => list.replaceChildren(...here), "rows");
    }
  }, true);
  byId("language")?.addEventListener("change", event => {
    document.documentElement.dataset.words = event.target.value;
  });
  if (byId("language")) document.documentElement.dataset.words = "en";
  filter();
  // On paper stands every check that the filters leave and that asks for a look.
  let before = null;
  addEventListener("beforeprint", () => {
    before = [...shown.childNodes];
    const list = document.createElement("div");
    put(list, left.filter(check => !/^(pass|not_applicable)$/.test(check.facets.status)));
    shown.replaceChildren(list);
  });
  addEventListener("afterprint", () => { if (before) shown.replaceChildren(...before); });
}

// ---------------------------------------------------------------- columns of the registers

const field = byId("words");
if (field) {
  const registers = [...document.querySelectorAll("details.register")];
  const rows = [...document.querySelectorAll(".columns tbody tr")];
  let texts = null;
  field.addEventListener("input", () => {
    const words = wordsOf(field.value);
    texts ??= rows.map(row => (row.textContent + " " + row.id).toLowerCase());
    let n = 0;
    rows.forEach((row, nth) => {
      row.hidden = !words.every(word => texts[nth].includes(word));
      n += !row.hidden;
    });
    for (const part of document.querySelectorAll(".register article, .register")) {
      part.hidden = !part.querySelector(".columns tbody tr:not([hidden])");
      if (part.open !== undefined) part.open = words.length > 0 && !part.hidden;
    }
    byId("words-found").textContent = words.length ? `${n} of ${rows.length} columns` : "";
  });
}

// ---------------------------------------------------------------- where the reader is

const links = new Map([...document.querySelectorAll("nav a")].map(a => [a.hash.slice(1), a]));
links.values().next().value.setAttribute("aria-current", "true");
if ("IntersectionObserver" in window) {
  const seen = new IntersectionObserver(entries => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.getAttribute("aria-labelledby"))?.setAttribute("aria-current", "true");
    }
  }, {rootMargin: "-15% 0px -80% 0px"});
  for (const section of document.querySelectorAll("main > section")) seen.observe(section);
}
