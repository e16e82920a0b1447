// Studies as text: the form's own as JSON, YAML and curl, to copy or save; somebody else's, pasted or from a file.
import { call } from "./api.js";
import { el } from "./fields.js";
import { form } from "./order_place.js";
import { listed, said } from "./order_problems.js";
import { yaml } from "./yaml.js";

const [jsonView, yamlView, curlView] = form.querySelectorAll(".summary code");
const box = document.getElementById("import");
const text = box.querySelector("textarea");
const outcome = box.querySelector("[data-outcome]");
let fileForm = null;

export function write(study) {
  jsonView.textContent = JSON.stringify(study, null, 2);
  yamlView.textContent = yaml(study);
  curlView.textContent = `curl -X POST ${location.origin}/api/v1/studies \\\n  -H "Authorization: Bearer $TRADESPACE_TOKEN" \\\n  -H 'Content-Type: application/json' \\\n  -d '${JSON.stringify(study).replaceAll("'", "'\\''")}'`;
}

function download(name, type, content) {
  const link = el("a", { href: URL.createObjectURL(new Blob([content], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// The text that waits to be read, so that it is kept with everything else that was typed.
export const pasted = () => text.value;
export function paste(value, message) {
  text.value = value;
  box.open = true;
  outcome.replaceChildren(...(message ? [el("p", { className: "field-error" }, message)] : []));
}

async function read(take) {
  outcome.replaceChildren();
  try {
    const body = { text: text.value, ...(fileForm ? { form: fileForm } : {}) };
    const { study } = await call("/api/v1/imports", { method: "POST", body });
    take(study);
    box.open = false;
  } catch (error) {
    const found = error.problem?.errors ?? [];
    outcome.replaceChildren(found.length ? listed(found) : el("p", { className: "field-error" }, said(error)));
  }
}

// `take` puts a study into the form; `typed` is told whenever the text changes.
export function listen(take, typed) {
  text.addEventListener("input", () => { fileForm = null; typed(); });
  box.querySelector("[data-read]").addEventListener("click", () => read(take));
  box.querySelector('input[type="file"]').addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (!file) return;
    if (file.size > Number(box.dataset.most)) {
      paste(text.value, `${file.name} has ${file.size.toLocaleString("en")} bytes; a study has at most ${Number(box.dataset.most).toLocaleString("en")}.`);
      return;
    }
    paste(await file.text());
    fileForm = /\.ya?ml$/i.test(file.name) ? "yaml" : /\.json$/i.test(file.name) ? "json" : null;
    event.target.value = "";
    typed();
    await read(take);
  });
  form.querySelector("[data-save-json]").addEventListener("click", () => download("study.json", "application/json", `${jsonView.textContent}\n`));
  form.querySelector("[data-save-yaml]").addEventListener("click", () => download("study.yaml", "application/yaml", yamlView.textContent));
}
