// The page for programs: every route of /openapi.json as a form that asks this server.
import { element, texts } from "./common.js";

// Optional parameters are "this or nothing" in the description.
const plain = (schema) => schema.anyOf?.find((one) => one.type !== "null") ?? schema;

function choicesOf(schema) {
  if (schema.enum) return schema.enum;
  const methods = /^\^\(([\w|]+)\)\$$/.exec(schema.pattern ?? "");
  if (methods) return methods[1].split("|");
  return schema.type === "boolean" ? ["true", "false"] : null;
}

function field({ name, description, required, schema }) {
  const kind = plain(schema), values = choicesOf(kind);
  const input = values ? element("select", { name }, new Option(texts.left_out, ""), ...values.map((value) => new Option(value, value)))
    : element("input", { name, type: /number|integer/.test(kind.type) ? "number" : "text", required: Boolean(required), step: "any" });
  input.dataset.parameter = "";
  return element("label", {}, element("code", { textContent: name }), input, element("span", { className: "quiet", textContent: description ?? "" }));
}

function question(form, method) {
  const query = new URLSearchParams();
  for (const input of form.querySelectorAll("[data-parameter]")) if (input.value) query.set(input.name, input.value);
  const options = { method };
  const pictures = form.querySelector("[type=file]");
  if (pictures) {
    options.body = new FormData();
    for (const file of pictures.files) options.body.append("file", file);
  }
  return [query.size ? `?${query}` : "", options];
}

async function told(answer) {
  const kind = answer.headers.get("content-type") ?? "";
  if (kind.startsWith("image/")) return element("img", { src: URL.createObjectURL(await answer.blob()), alt: texts.picture_answer });
  const text = await answer.text();
  const shown = element("pre", { tabIndex: 0, textContent: /json/.test(kind) ? JSON.stringify(JSON.parse(text), null, 1) : text });
  shown.role = "group";
  shown.ariaLabel = texts.answer;
  return shown;
}

function trial(path, method, described) {
  const form = element("form"), said = element("div", { className: "answer" });
  said.ariaLive = "polite";
  form.append(...(described.description ? [element("p", { textContent: described.description })] : []), ...(described.parameters ?? []).map(field));
  if (described.requestBody) {
    form.append(element("label", {}, texts.pictures_to_send, element("input", { type: "file", accept: "image/*", multiple: true, required: true })));
  }
  form.append(element("button", { className: "primary", textContent: texts.send }));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const [query, options] = question(form, method);
    said.replaceChildren(texts.sending);
    try {
      const answer = await fetch(path + query, options);
      said.replaceChildren(element("p", {}, element("strong", { textContent: `${answer.status} ${answer.statusText}` }), ` ${method} ${path}${query}`), await told(answer));
    } catch {
      said.replaceChildren(texts.offline);
    }
  });
  return [form, said];
}

async function begin() {
  const lists = [...document.querySelectorAll(".route")];
  try {
    const { paths } = await (await fetch("/openapi.json")).json();
    for (const one of lists) {
      const { method, path } = one.dataset;
      one.querySelector(".trial").append(...trial(path, method, paths[path][method.toLowerCase()]));
    }
  } catch {
    document.getElementById("routes").prepend(element("p", { textContent: texts.no_routes }));
  }
}

begin();
