// Inside Airflow's page: follow its theme, and let links to Airflow's own pages open there instead of in the frame.
"use strict";
const framed = window.parent !== window;

function follow_theme() {
  const chosen = localStorage.getItem("theme");
  const dark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

function open_outside(event) {
  const link = event.target.closest("a[data-airflow], a[data-outside]");
  if (!framed || !link || !/^https?:$/.test(link.protocol)) return;  // Airflow's page has no policy that would stop others
  event.preventDefault();
  const outer = window.parent.document;
  const twin = outer.createElement("a");
  twin.href = link.href;
  if (link.hasAttribute("data-outside")) {
    twin.target = "_blank";
    twin.rel = "noopener";
  }
  outer.body.append(twin);
  twin.click();
  twin.remove();
}

follow_theme();
addEventListener("storage", follow_theme);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", follow_theme);
document.addEventListener("click", open_outside);

// A backfill is created by Airflow's own interface, as the user who is logged in there. It asks once more before.
async function backfill(event) {
  const button = event.target.closest("button[data-backfill]");
  if (!button) return;
  const said = button.parentElement.querySelector(".said");
  if (!button.dataset.sure) {
    button.dataset.sure = "yes";
    button.textContent = "Yes, backfill them";
    said.textContent = "Windows that were scored before may get a new revision. Sure?";
    return;
  }
  button.disabled = true;
  said.textContent = "Asking Airflow …";
  const { backfill: dag_id, from: from_date, to: to_date, model, version } = button.dataset;
  const conf = version ? { model, model_version: version } : { model };
  const asked = { dag_id, from_date, to_date, dag_run_conf: conf, reprocess_behavior: "completed", max_active_runs: 3, run_on_latest_version: false };
  const airflow = document.documentElement.dataset.airflow;
  try {
    const answer = await fetch(`${airflow}/api/v2/backfills`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(asked),
    });
    const found = await answer.json();
    if (!answer.ok) throw new Error(typeof found.detail === "string" ? found.detail : JSON.stringify(found.detail));
    const link = document.createElement("a");
    link.href = `${airflow}/dags/${encodeURIComponent(dag_id)}/backfills`;
    link.dataset.airflow = "";
    link.textContent = "watch it in Airflow";
    said.replaceChildren("The backfill has begun: ", link, ".");
  } catch (error) {
    button.disabled = false;
    said.textContent = `Airflow did not start it: ${error.message}`;
  }
}

document.addEventListener("click", backfill);

// What a button names by data-copy is copied: by the browser's clipboard, or, where a page has none, by selecting it.
async function copy(event) {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const said = button.parentElement.querySelector(".said");
  const source = document.getElementById(button.dataset.copy);
  const written = source.value ?? source.textContent;
  if (source.select) {
    source.focus();
    source.select();
  } else {
    getSelection().selectAllChildren(source);
  }
  said.textContent = ""; // so that a second time is told, too
  try {
    if (navigator.clipboard) await navigator.clipboard.writeText(written);
    else if (!document.execCommand("copy")) throw new Error("not allowed");
    said.textContent = "Copied.";
  } catch {
    said.textContent = "It is selected: copy it with the keyboard.";
  }
}

document.addEventListener("click", copy);

// What a person changes on a page is asked once more, sent with what other sites can't send, and answered in words.
async function send(address, method, sent) {
  const headers = { "Content-Type": "application/json", "X-Requested-With": "Perennial" };
  const answer = await fetch(address, { method, headers, body: JSON.stringify(sent) }).catch(() => null);
  if (!answer) return { ok: false, status: 0, found: {}, said: "The server did not answer: it is not known whether it was done." };
  const found = await answer.json().catch(() => ({}));
  const said = typeof found.detail === "string" ? found.detail : JSON.stringify(found.detail ?? answer.statusText);
  return { ok: answer.ok, status: answer.status, found, said: found.error ? `${found.error}. ${said}` : said };
}

function refused(answer) {
  if (answer.status === 401) return "Your session has ended. Log in to Airflow again, and then load this page again.";
  return answer.said;
}

function outer_link(address, text) {
  const link = document.createElement("a");
  link.href = address;
  link.dataset.airflow = "";
  link.textContent = text;
  return link;
}

function ask_again(form) {
  const [sure, cancel] = form.querySelectorAll("button");
  sure.textContent = sure.dataset.first ?? sure.textContent;
  delete form.dataset.asked;
  cancel.hidden = true;
  form.querySelector(".said").replaceChildren();
}

function is_asked_twice(form) {
  const [sure, cancel] = form.querySelectorAll("button");
  const { reason } = form.elements;
  const wrong = form.querySelector(".wrong");
  wrong.replaceChildren();
  reason.removeAttribute("aria-invalid");
  if (!reason.value.trim()) {
    wrong.textContent = "Say why: the reason is kept beside your name.";
    reason.setAttribute("aria-invalid", "true");
    reason.focus();
    return false;
  }
  if (form.dataset.asked) return true;
  form.dataset.asked = "yes";
  sure.dataset.first = sure.textContent;
  sure.textContent = sure.dataset.yes;
  cancel.hidden = false;
  form.querySelector(".said").textContent = form.dataset.sure;
  return false;
}

// The window's run is begun by Airflow's own interface, as the user who is logged in there.
async function begin_replay(form) {
  const { replay: dag_id, from } = form.dataset;
  const airflow = document.documentElement.dataset.airflow;
  const asked = { dag_id, from_date: from, to_date: from, dag_run_conf: { model: "as_was" }, reprocess_behavior: "completed", max_active_runs: 1, run_on_latest_version: false };
  const answer = await send(`${airflow}/api/v2/backfills`, "POST", asked);
  const watch = outer_link(`${airflow}/dags/${encodeURIComponent(dag_id)}/backfills`, "Watch it in Airflow");
  if (answer.ok) {
    const dag = await fetch(`${airflow}/api/v2/dags/${encodeURIComponent(dag_id)}`).then((each) => each.json()).catch(() => ({}));
    return ["The replay has begun. ", watch, dag.is_paused ? ". The DAG is paused: the run waits until somebody unpauses it." : "."];
  }
  if (answer.status === 409) {
    watch.textContent = "The backfills of this DAG";
    return ["Airflow did not start it: it backfills one thing a DAG at a time, and another backfill of this DAG is not done. When it is, load this page again and ask again. ", watch, "."];
  }
  return [`Airflow did not start it. ${answer.status === 403 ? "You may not create runs of this DAG: ask somebody who may to backfill this window." : refused(answer)}`];
}

async function change(event) {
  const form = event.target.closest("form[data-change]");
  if (!form) return;
  event.preventDefault();
  if (!is_asked_twice(form)) return;
  const [said, wrong] = [form.querySelector(".said"), form.querySelector(".wrong")];
  const sent = Object.fromEntries(new FormData(form));
  const controls = [...form.elements];
  for (const each of controls) each.disabled = true;
  said.textContent = "Being recorded …";
  const answer = await send(form.action, "PUT", sent);
  const link = document.createElement("a");
  if (answer.ok) {
    link.href = "#replay";
    link.textContent = "Replay the window";
    said.replaceChildren(`${answer.found.said} `, ...(form.dataset.replay ? await begin_replay(form) : "plain" in form.dataset ? [] : [link, " next."]));
    for (const each of form.querySelectorAll("button")) each.hidden = true;
    said.tabIndex = -1;
    said.focus();
    return;
  }
  for (const each of controls) each.disabled = false;
  ask_again(form);
  link.href = location.href.split("#")[0];
  link.textContent = "Load the page again";
  wrong.replaceChildren(`${answer.status && answer.status < 500 ? "Nothing was changed. " : ""}${refused(answer)} `, link, ".");
  form.elements.reason.focus();
}

for (const form of document.querySelectorAll("form[data-change]")) form.hidden = false;
document.addEventListener("submit", change);
document.addEventListener("click", (event) => {
  const form = event.target.closest("[data-cancel]")?.closest("form[data-change]");
  if (!form) return;
  ask_again(form);
  form.elements.reason.focus();
});
