
"use strict";
const one = (id) => document.getElementById(id);
const tables = [...document.querySelectorAll("table")];
const folds = [...document.querySelectorAll("details")];
const rows = tables.flatMap((table) => [...table.tBodies[0].rows].map((row) => ({
  row, text: words(table, row).toLowerCase(), problem: "problem" in row.dataset,
})));

// A row of a matrix also has the kernels of which it says something.
function words(table, row) {
  const heads = [...table.tHead.rows[0].cells];
  const named = heads.filter((_, column) => row.cells[column].matches(".matrix td:not(.none)"));
  return [row, ...named].map((item) => item.textContent).join(" ");
}

// Every word of the filter must stand somewhere in a row.
function show() {
  const words = one("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const only = one("problems").checked;
  let count = 0;
  for (const { row, text, problem } of rows) {
    row.hidden = (only && !problem) || !words.every((word) => text.includes(word));
    count += row.hidden ? 0 : 1;
  }
  for (const table of tables) {
    const none = !table.querySelector("tbody tr:not([hidden])");
    table.parentElement.hidden = none;
    table.parentElement.nextElementSibling.hidden = !none;
  }
  one("shown").textContent = words.length || only ? `${count} of ${rows.length} rows` : "";
}

const order = new Intl.Collator("en", { numeric: true }).compare;
const key = (cell) => cell.dataset.order ?? cell.textContent;

function sort(head) {
  const up = head.ariaSort !== "ascending";
  for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const body = head.closest("table").tBodies[0];
  const column = head.cellIndex;
  const found = [...body.rows].map((row) => ({ row, key: key(row.cells[column]) }));
  found.sort((a, b) => (up ? order(a.key, b.key) : order(b.key, a.key)));
  body.append(...found.map(({ row }) => row));
}

for (const table of tables) {
  for (const head of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(head));
    head.append(button);
  }
  const empty = document.createElement("p");
  empty.className = "empty";
  empty.hidden = true;
  empty.textContent = "No row matches the filter.";
  table.parentElement.after(empty);
}

one("filter").addEventListener("input", show);
one("problems").addEventListener("change", show);
one("controls").addEventListener("submit", (event) => event.preventDefault());
one("controls").hidden = false;
show(); // a browser that goes back fills the filter in again

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=checkbox])");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    one("filter").focus();
  } else if (event.key === "Escape" && typing) {
    one("filter").value = "";
    show();
  }
});

const unfold = one("unfold");
unfold.hidden = !folds.length;
unfold.addEventListener("click", () => {
  const open = unfold.ariaPressed !== "true";
  unfold.setAttribute("aria-pressed", open);
  for (const fold of folds) fold.open = open;
});

const theme = one("theme");
const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.className ? root.className === "dark" : system.matches);
const tell = () => theme.setAttribute("aria-pressed", isDark());
tell();
system.addEventListener("change", tell);
theme.addEventListener("click", () => {
  root.className = isDark() ? "light" : "dark";
  tell();
});

// Browsers that cannot unfold by style alone do it here.
let folded = [];
addEventListener("beforeprint", () => {
  folded = folds.filter((fold) => !fold.open);
  for (const fold of folded) fold.open = true;
});
addEventListener("afterprint", () => {
  for (const fold of folded) fold.open = false;
});
