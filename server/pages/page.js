/* What both pages use. Everything from the server becomes text nodes: nothing of it is HTML. */
"use strict";

/* An element with attributes, and children that are elements or text. */
function element(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
    made.append(...children.map((child) => (child instanceof Node ? child : String(child))));
    return made;
}

function drawing(name, attributes, ...children) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
    made.append(...children);
    return made;
}

function byId(id) {
    return document.getElementById(id);
}

/* A table's rows in the place of those before; a cell is text or an element. */
function fillTable(table, caption, heads, rows) {
    const body = element("tbody");
    for (const row of rows)
        body.append(element("tr", {}, ...row.map((cell) => element("td", {}, cell))));
    table.replaceChildren(
        element("caption", {}, caption),
        element(
            "thead",
            {},
            element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head))),
        ),
        body,
    );
}

function fillTiles(list, tiles) {
    list.replaceChildren(
        ...tiles.map(([name, value]) => {
            const text = String(value);
            return element(
                "div",
                {},
                element("dt", {}, name),
                element("dd", text.length > 9 ? { class: "small" } : {}, text),
            );
        }),
    );
}

/* A bar that fills a part of its track. */
function bar(part, kind) {
    const fill = element("div", { class: "fill " + (kind || "") });
    fill.style.width = Math.max(0, Math.min(1, part)) * 100 + "%";
    return element("div", { class: "track", "aria-hidden": "true" }, fill);
}

function formatNumber(number, digits = 4) {
    if (number === null || !Number.isFinite(number)) return "–";
    if (number === 0) return "0";
    const size = Math.abs(number);
    if (size >= 1e5 || size < 1e-4) return number.toExponential(2);
    return String(Number(number.toPrecision(digits)));
}

function formatCount(number) {
    return Math.round(number).toLocaleString("en");
}

function formatBytes(bytes) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    for (; bytes >= 1024 && unit < units.length - 1; unit++) bytes /= 1024;
    return (unit > 0 ? bytes.toPrecision(3) : bytes) + " " + units[unit];
}

function formatSpan(ms) {
    const units = [
        [86400000 * 365.25, "y"],
        [86400000, "d"],
        [3600000, "h"],
        [60000, "min"],
        [1000, "s"],
    ];
    for (const [size, name] of units)
        if (Math.abs(ms) >= size) return Number((ms / size).toPrecision(3)) + " " + name;
    return Math.round(ms) + " ms";
}

function formatTime(ms) {
    return new Date(ms)
        .toISOString()
        .replace("T", " ")
        .replace(/\.\d+Z$/, "Z");
}
