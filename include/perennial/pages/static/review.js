// The review queue: answers are sent without loading the page again, and by single keys while a row has the focus.
"use strict";
const rows = [...document.querySelectorAll("[data-question]")];
const done = [];  // the forms that were answered here, the last one last

function told(form, text, link) {
  form.querySelector(".said").replaceChildren(text, ...(link ? [link] : []));
}

async function put(form, answer) {
  const wrong = form.querySelector(".wrong");
  const controls = [...form.elements];
  const entity = form.elements.entity.value;
  wrong.replaceChildren();
  for (const each of controls) each.disabled = true;
  told(form, "Being recorded …");
  const found = await send(form.action, "PUT", { entity, answer });
  const answered = found.ok && answer !== "";
  for (const each of controls) each.disabled = answered;
  form.closest("[data-question]")?.toggleAttribute("data-answered", answered);
  told(form, found.ok ? found.found.said : "");
  if (found.ok && answer !== "") done.push(form);
  if (!found.ok) wrong.textContent = `${found.status && found.status < 500 ? "Nothing was changed. " : ""}${refused(found)}`;
  return found.ok;
}

function move(row, step) {
  const open = rows.filter((each) => !each.hasAttribute("data-answered") || each === row);
  open[open.indexOf(row) + step]?.focus();
}

async function undo() {
  const form = done.pop();
  if (!form) return;
  form.closest("[data-question]")?.focus();
  if (!(await put(form, ""))) done.push(form);
}

function pressed(event) {
  const row = event.target.closest("[data-question]");
  if (!row || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=hidden]), textarea, select")) return;
  const word = { y: "yes", 1: "yes", n: "no", 2: "no" }[event.key];
  const button = word && row.querySelector(`button[name=answer][value=${word}]:enabled`);
  if (button) {
    const form = row.querySelector("form");
    move(row, 1);
    put(form, word);
  } else if (event.key === "j" || event.key === "k") move(row, event.key === "j" ? 1 : -1);
  else if (event.key === "u") undo();
  else return;
  event.preventDefault();
}

document.getElementById("queue")?.addEventListener("keydown", pressed);
document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-answer]");
  if (!form) return;
  event.preventDefault();
  put(form, event.submitter?.name === "answer" ? event.submitter.value : form.elements.answer.value);
});
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-begin]")) rows.find((each) => !each.hasAttribute("data-answered"))?.focus();
});
