"use strict";
// Shows the OpenAPI document: an index by tag, and each operation with its parameters, bodies and answers.

const methods = ["get", "post", "put", "patch", "delete"];
let doc;

function element(name, content = [], attributes = {}) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...[content].flat());
  return e;
}

function resolve(value) {
  while (value && value.$ref) value = value.$ref.slice(2).split("/").reduce((at, key) => at[key], doc);
  return value || {};
}

function nameOf(value) {
  return value.$ref ? value.$ref.split("/").pop() : "";
}

// outline writes a schema as a JSON text with types in place of values. Schemas within themselves are named only.
function outline(schema, indent = "", within = []) {
  const name = nameOf(schema);
  if (name && (within.includes(name) || within.length > 3)) return name;
  const inner = name ? [...within, name] : within;
  const s = resolve(schema);
  const end = s.nullable ? " or null" : "";
  if (s.allOf) return outline(s.allOf[0], indent, inner) + end;
  if (s.anyOf) return s.anyOf.map((one) => outline(one, indent, inner)).join(" or ");
  if (s.enum) return s.enum.filter((v) => v !== null).map((v) => JSON.stringify(v)).join(" | ") + end;
  if (s.type === "array") return "[" + outline(s.items || {}, indent, inner) + ", …]" + end;
  if (s.type !== "object") return (s.format || s.type || "anything") + end;
  const deeper = indent + "  ";
  const lines = Object.entries(s.properties || {}).map(([key, value]) => {
    const needed = (s.required || []).includes(key) ? "" : "?";
    const meaning = resolve(value).description && !nameOf(value) ? "   — " + resolve(value).description : "";
    return deeper + key + needed + ": " + outline(value, deeper, inner) + meaning;
  });
  if (s.additionalProperties) {
    const value = s.additionalProperties === true ? "…" : outline(s.additionalProperties, deeper, inner);
    lines.push(deeper + "<name>: " + value);
  }
  return (lines.length ? "{\n" + lines.join("\n") + "\n" + indent + "}" : "{…}") + end;
}

function table(rows) {
  return element("table", rows.map((cells) => element("tr", cells.map((c) => element("td", c)))));
}

function contents(content) {
  const seen = new Set();
  return Object.entries(content || {}).flatMap(([type, { schema }]) => {
    const text = outline(schema || {});
    const parts = [element("p", element("code", type))];
    if (schema && schema.type !== "string" && !seen.has(text)) parts.push(element("pre", text));
    seen.add(text);
    return parts;
  });
}

function signIn(security) {
  const names = security.map((one) => Object.keys(one)[0] || "nothing");
  return "Signed in by: " + names.join(", or ") + ".";
}

function details(op) {
  const parts = [];
  if (op.description) parts.push(element("p", op.description));
  parts.push(element("p", signIn(op.security || []), { class: "dim" }));
  if (op.parameters) {
    parts.push(element("h3", "Parameters"), table(op.parameters.map((p) => [
      [element("code", p.name), p.required ? " (needed)" : ""], element("span", p.in, { class: "dim" }),
      element("code", outline(p.schema)), p.description || p.schema.description || "",
    ])));
  }
  if (op.requestBody) parts.push(element("h3", "Body"), ...contents(op.requestBody.content));
  parts.push(element("h3", "Answers"));
  const errors = [];
  for (const [status, answer] of Object.entries(op.responses)) {
    const a = resolve(answer);
    if (status < 400) parts.push(element("p", [element("b", status), " " + a.description]), ...contents(a.content));
    else errors.push([element("b", status), a.description]);
  }
  parts.push(table(errors));
  return parts;
}

function operation(path, method, op) {
  const head = element("summary", [element("span", method.toUpperCase(), { class: "method " + method }), element("code", path), " ", element("span", op.summary, { class: "dim" })]);
  const box = element("details", [head], { id: op.operationId });
  box.addEventListener("toggle", () => {
    if (box.open && box.children.length === 1) box.append(element("div", details(op), { class: "inside" }));
  });
  return element("article", box);
}

function show() {
  const main = document.getElementById("main");
  const index = document.getElementById("index");
  main.replaceChildren(element("h1", "xively API"), element("p", doc.info.description),
    element("p", ["The document: ", element("a", "/api/openapi.json", { href: "/api/openapi.json" })]));
  const all = Object.entries(doc.paths).flatMap(([path, item]) => methods.filter((m) => item[m]).map((m) => [path, m, item[m]]));
  const groups = doc.tags.map((tag) => {
    const own = all.filter(([, , op]) => op.tags.includes(tag.name));
    const entries = own.map(([path, method, op]) => {
      const link = element("a", op.summary, { href: "#" + op.operationId, title: method.toUpperCase() + " " + path });
      return { link, box: operation(path, method, op), words: (method + " " + path + " " + op.summary).toLowerCase() };
    });
    const title = element("h2", tag.name);
    const heading = element("h2", tag.name);
    const text = element("p", tag.description);
    index.append(title, ...entries.map((e) => e.link));
    main.append(heading, text, ...entries.map((e) => e.box));
    return { head: [title, heading, text], entries };
  });
  document.getElementById("filter").addEventListener("input", (event) => {
    const words = event.target.value.toLowerCase().split(/\s+/);
    for (const group of groups) {
      let any = false;
      for (const e of group.entries) {
        const match = words.every((w) => e.words.includes(w));
        e.link.hidden = e.box.hidden = !match;
        any = any || match;
      }
      for (const h of group.head) h.hidden = !any;
    }
  });
  const jump = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.tagName === "DETAILS") {
      target.open = true;
      target.scrollIntoView();
    }
  };
  addEventListener("hashchange", jump);
  jump();
}

fetch("/api/openapi.json").then((answer) => answer.json()).then((got) => {
  doc = got;
  show();
}).catch((err) => {
  document.getElementById("main").replaceChildren(element("p", "The document cannot be read: " + err.message));
});
