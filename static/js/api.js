// Calls of the product's own REST API from its pages; a refusal becomes an Error that carries the problem document.
export class Refused extends Error {
  constructor(status, problem) {
    super([problem.detail ?? problem.title ?? `The server answered ${status}.`, problem.hint].filter(Boolean).join(" "));
    this.status = status;
    this.problem = problem;
  }
}

export async function call(path, { method = "GET", body, key, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  let answer;
  try {
    answer = await fetch(path, {
      method, headers, signal, credentials: "same-origin",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    document.dispatchEvent(new CustomEvent("tradespace:unanswered"));
    throw new Refused(0, { detail: "The server does not answer.", hint: "Is it running? The page tries again when you do." });
  }
  const text = await answer.text();
  let read = {};
  try {
    read = text ? JSON.parse(text) : {};
  } catch {
    read = { detail: `The server answered ${answer.status} with something that is not JSON.` };
  }
  if (!answer.ok) throw new Refused(answer.status, read);
  return read;
}
