// Questions to the server; whatever goes wrong is an Error with a sentence.
import { texts } from "./common.js";

async function ask(address, options) {
  let answer;
  try {
    answer = await fetch(address, options);
  } catch {
    throw new Error(texts.offline);
  }
  if (answer.ok) return answer;
  if (answer.status === 503) throw new Error(texts.busy);
  let problem = {};
  try {
    problem = await answer.json();
  } catch { /* an answer of something between us and the server */ }
  throw new Error(problem.detail ?? `${answer.status} ${answer.statusText}`);
}

function body(picture) {
  if (!picture.blob) return { body: JSON.stringify({ url: picture.url }), headers: { "Content-Type": "application/json" } };
  const form = new FormData();
  form.append("file", picture.blob, picture.name);
  return { body: form };
}

export const models = async () => (await ask("/api/v1/models")).json();
export const analyze = async (picture, query) =>
  (await ask(`/api/v1/analyze?${query}`, { method: "POST", ...body(picture) })).json();
export const annotate = async (picture, query) =>
  (await ask(`/api/v1/annotate?${query}`, { method: "POST", ...body(picture) })).blob();
