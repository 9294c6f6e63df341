/* One user's cache, and why a candidate got its score: what /api/user says, drawn. */
"use strict";

const SECTIONS = ["summary", "score", "bound", "codewords", "decay", "recent", "top"];
const HOUR_MS = 3600000;
const HEAD_COLOURS = 6;

const SHADES = {
    weights: "attention weight for the candidate",
    memories: "what is remembered, whatever the candidate",
    events: "number of events",
};

let shown = null;
let asked = 0;

function headColour(head) {
    return "var(--head" + (head % HEAD_COLOURS) + ")";
}

function mean(numbers) {
    return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}

function show(id, visible) {
    byId(id).hidden = !visible;
}

function showError(text) {
    byId("error").textContent = text;
    show("error", text !== "");
}

/* ---- sections ---- */

function drawSummary(user) {
    const cache = user.cache;
    fillTiles(byId("summary"), [
        ["User", user.user],
        ["Model", user.model.name],
        ["Events in the cache", formatCount(cache.events)],
        [
            "Codewords in use",
            user.codewords_in_use + " of " + user.model.codewords.reduce((a, b) => a + b, 0),
        ],
        ["Memory", formatBytes(cache.bytes)],
        ["Kept as", cache.form === "rows" ? "rows, " + cache.format : cache.form],
        ["Last event", formatTime(cache.reference_ms)],
        ["Scored at", formatTime(Math.max(user.time_ms, cache.reference_ms))],
    ]);
}

function drawScore(user) {
    const { candidate, comparison } = user;
    const whole = comparison.whole
        ? "all " + formatCount(comparison.events)
        : "the last " + formatCount(comparison.events) + " of " + formatCount(user.cache.events);
    byId("score-note").textContent =
        "Item " +
        candidate.item +
        (candidate.known ? "" : ", which the model does not know") +
        ". Served is what Score answers, from the cache. The other two look at " +
        whole +
        " events in float64: with their keys' codewords, and with the keys themselves." +
        (comparison.whole
            ? ""
            : " They leave older events out, so they may differ from what is served.");
    byId("score-bars").replaceChildren(
        ...user.model.tasks.map((task, t) => {
            const rows = [
                ["Served", candidate.scores[t], "", "served"],
                ["Quantized", comparison.quantized_scores[t], "quantized", "quantized"],
                ["Exact", comparison.exact_scores[t], "exact", "exact"],
            ];
            const bars = element("div", { class: "bars" });
            for (const [name, score, kind, id] of rows)
                bars.append(
                    element("span", {}, name),
                    bar(score, kind),
                    element("strong", { id: "score-" + id + "-" + t }, score.toFixed(6)),
                );
            const moved = comparison.quantized_logits[t] - comparison.exact_logits[t];
            return element(
                "div",
                {},
                element("h3", {}, task),
                bars,
                element(
                    "p",
                    { class: "note" },
                    "Quantization moves the logit by " +
                        formatNumber(moved) +
                        ", from " +
                        formatNumber(comparison.exact_logits[t]) +
                        "; " +
                        (comparison.whole
                            ? "the cache's arithmetic moves"
                            : "older events and the cache's arithmetic move") +
                        " it by " +
                        formatNumber(candidate.logits[t] - comparison.quantized_logits[t]) +
                        ".",
                ),
            );
        }),
    );
}

function withinBound(value, bound) {
    const cell = element("div", {}, formatNumber(value, 3) + " of " + formatNumber(bound, 3));
    cell.append(bar(bound > 0 ? value / bound : 0, "quantized"));
    return cell;
}

function drawBound(comparison) {
    fillTable(
        byId("bound-table"),
        "ε is the largest error of a logit q·k/√d.",
        ["Head", "ε", "‖α̂ − α‖₁ ≤ 2·tanh(ε/2)", "‖ô − o‖ ≤ tanh(ε/2)·diam"],
        comparison.heads.map((head, h) => [
            h,
            formatNumber(head.epsilon, 3),
            withinBound(head.shift, head.shift_bound),
            withinBound(head.error, head.error_bound),
        ]),
    );
}

/* What a codeword is shaded by. */
function shadeOf(codeword, by) {
    if (by === "events") return codeword.events;
    return codeword[by] ? mean(codeword[by]) : 0;
}

function drawGroup(user, group, by) {
    const size = user.model.codewords[group];
    const columns = Math.ceil(Math.sqrt(size));
    const rows = Math.ceil(size / columns);
    const inUse = user.codewords.filter((codeword) => codeword.group === group);
    const most = Math.max(...inUse.map((codeword) => shadeOf(codeword, by)), 1e-300);
    const plot = drawing(
        "svg",
        {
            viewBox: "0 0 " + columns + " " + rows,
            role: "img",
            "aria-label":
                "Group " + group + ": " + inUse.length + " of " + size + " codewords in use",
        },
        drawing("rect", { class: "ground", width: columns, height: rows }),
    );
    for (const codeword of inUse) {
        const cell = drawing("rect", {
            class: "codeword",
            x: (codeword.code % columns) + 0.06,
            y: Math.floor(codeword.code / columns) + 0.06,
            width: 0.88,
            height: 0.88,
            rx: 0.15,
            "fill-opacity": 0.12 + 0.88 * Math.sqrt(shadeOf(codeword, by) / most),
        });
        const title = drawing("title");
        title.textContent =
            "codeword " +
            codeword.code +
            ": " +
            codeword.events +
            " events, " +
            formatNumber(shadeOf(codeword, by));
        cell.append(title);
        plot.append(cell);
    }
    return element(
        "figure",
        { class: "group" },
        element("h3", {}, "Group " + group + ": " + inUse.length + " of " + size),
        plot,
    );
}

function drawCodewords(user) {
    const select = byId("shade");
    const by = user.candidate || select.value !== "weights" ? select.value : "memories";
    byId("codewords-note").textContent =
        "A cell is a codeword. The stronger, the larger: " +
        SHADES[by] +
        "." +
        (user.codewords.length < user.codewords_in_use
            ? " The first " + user.codewords.length + " of " + user.codewords_in_use + " are shown."
            : "");
    byId("groups").replaceChildren(
        ...user.model.codewords.map((size, group) => drawGroup(user, group, by)),
    );
    const heaviest = [...user.codewords]
        .sort((a, b) => shadeOf(b, by) - shadeOf(a, by))
        .slice(0, 10);
    fillTable(
        byId("codeword-table"),
        "The ten with the largest " + SHADES[by],
        ["Group", "Code", "Events", "Last", "Remembered", "ŝ", "Weight"],
        heaviest.map((codeword) => [
            codeword.group,
            codeword.code,
            formatCount(codeword.events),
            codeword.last_ms < 0
                ? "–"
                : formatSpan(Math.max(0, user.time_ms - codeword.last_ms)) + " ago",
            formatNumber(mean(codeword.memories), 3),
            codeword.logits ? formatNumber(mean(codeword.logits), 3) : "–",
            codeword.weights ? formatNumber(mean(codeword.weights), 3) : "–",
        ]),
    );
}

/* ---- decay ---- */

function kernelAt(user, head, ms) {
    return user.model.kernel_weights[head].reduce(
        (sum, weight, r) => sum + weight * Math.exp(-user.model.decay_per_hour[r] * (ms / HOUR_MS)),
        0,
    );
}

/* When half is left, to a part in a thousand; null: not within a century. */
function halfLife(user, head) {
    const half = kernelAt(user, head, 0) / 2;
    let low = 0;
    let high = HOUR_MS * 24 * 36525;
    if (kernelAt(user, head, high) > half) return null;
    while (high - low > high / 1000) {
        const middle = (low + high) / 2;
        if (kernelAt(user, head, middle) > half) low = middle;
        else high = middle;
    }
    return high;
}

/* Curves {colour, part(ms)} from a minute to two years, on a logarithmic axis; marks: [ms, text] */
function drawCurves(place, title, curves, marks) {
    const width = 560,
        height = 230,
        left = 38,
        bottom = 26,
        right = 8,
        top = 8;
    const first = Math.log(60000),
        last = Math.log(HOUR_MS * 24 * 730);
    const x = (ms) =>
        left + ((width - left - right) * (Math.log(Math.max(ms, 60000)) - first)) / (last - first);
    const y = (part) => top + (height - top - bottom) * (1 - part);
    const plot = drawing("svg", {
        viewBox: "0 0 " + width + " " + height,
        role: "img",
        "aria-label": title,
    });
    const text = (content, attributes) => {
        const made = drawing("text", attributes);
        made.textContent = content;
        plot.append(made);
    };
    for (const part of [0, 0.25, 0.5, 0.75, 1]) {
        plot.append(
            drawing("line", {
                class: "axis",
                x1: left,
                x2: width - right,
                y1: y(part),
                y2: y(part),
            }),
        );
        text(part * 100 + "%", { x: left - 5, y: y(part) + 4, "text-anchor": "end" });
    }
    for (const [ms, name] of [
        [60000, "1 min"],
        [HOUR_MS, "1 h"],
        [HOUR_MS * 24, "1 d"],
        [HOUR_MS * 168, "1 wk"],
        [HOUR_MS * 720, "30 d"],
        [HOUR_MS * 8766, "1 y"],
    ]) {
        plot.append(
            drawing("line", { class: "axis", x1: x(ms), x2: x(ms), y1: top, y2: height - bottom }),
        );
        text(name, { x: x(ms), y: height - 8, "text-anchor": "middle" });
    }
    for (const { colour, part } of curves) {
        const points = [];
        for (let i = 0; i <= 160; i++) {
            const ms = Math.exp(first + ((last - first) * i) / 160);
            points.push(x(ms).toFixed(1) + "," + y(part(ms)).toFixed(1));
        }
        const curve = drawing("polyline", { class: "curve", points: points.join(" ") });
        curve.style.stroke = colour;
        plot.append(curve);
    }
    for (const [ms, name] of marks) {
        plot.append(
            drawing("line", { class: "mark", x1: x(ms), x2: x(ms), y1: top, y2: height - bottom }),
        );
        text(name, { x: Math.min(x(ms) + 4, width - 60), y: top + 12 });
    }
    byId(place).replaceChildren(plot);
}

function fillLegend(place, entries) {
    byId(place).replaceChildren(
        ...entries.map(([colour, text]) => {
            const swatch = element("span", { class: "swatch" });
            swatch.style.background = colour;
            return element("li", {}, swatch, text);
        }),
    );
}

function drawKernels(user) {
    const heads = [...Array(user.model.heads).keys()].filter((head) => kernelAt(user, head, 0) > 0);
    const age = user.time_ms - user.cache.reference_ms;
    drawCurves(
        "decay-plot",
        "Kernels of " + heads.length + " heads, from a minute to two years",
        heads.map((head) => ({
            colour: headColour(head),
            part: (ms) => kernelAt(user, head, ms) / kernelAt(user, head, 0),
        })),
        age > 60000 ? [[age, "last event"]] : [],
    );
    fillLegend(
        "decay-legend",
        heads.map((head) => {
            const half = halfLife(user, head);
            return [
                headColour(head),
                "head " +
                    head +
                    ": " +
                    (half === null ? "does not halve" : "half after " + formatSpan(half)),
            ];
        }),
    );
}

/* What a codeword's first head remembers of it, ms after the time of the score. */
function massAfter(user, codeword, ms) {
    const head = (codeword.group * user.model.heads) / user.model.groups;
    const hours = (Math.max(0, user.time_ms - user.cache.reference_ms) + ms) / HOUR_MS;
    return codeword.masses.reduce(
        (sum, mass, r) =>
            sum +
            mass *
                user.model.kernel_weights[head][r] *
                Math.exp(-user.model.decay_per_hour[r] * hours),
        0,
    );
}

/* The heaviest codeword of each group. */
function drawForgetting(user) {
    const by = user.candidate ? "weights" : "memories";
    const heaviest = user.model.codewords
        .map((size, group) =>
            user.codewords
                .filter((codeword) => codeword.group === group)
                .reduce(
                    (most, one) => (most && shadeOf(most, by) >= shadeOf(one, by) ? most : one),
                    null,
                ),
        )
        .filter((codeword) => codeword && massAfter(user, codeword, 0) > 0)
        .slice(0, HEAD_COLOURS);
    drawCurves(
        "forgetting-plot",
        "What is left of " + heaviest.length + " codewords as time goes on",
        heaviest.map((codeword, i) => ({
            colour: headColour(i),
            part: (ms) => massAfter(user, codeword, ms) / massAfter(user, codeword, 0),
        })),
        [],
    );
    fillLegend(
        "forgetting-legend",
        heaviest.map((codeword, i) => [
            headColour(i),
            "group " +
                codeword.group +
                ", codeword " +
                codeword.code +
                ": " +
                formatNumber(massAfter(user, codeword, 0), 3) +
                " now",
        ]),
    );
}

/* ---- events ---- */

function itemButton(event) {
    const button = element(
        "button",
        { class: "item", type: "button", title: "Make it the candidate" },
        event.item,
    );
    button.addEventListener("click", () => {
        byId("candidate").value = event.item;
        look(true);
    });
    return button;
}

function drawRecent(user) {
    fillTable(
        byId("recent-table"),
        "Of " + formatCount(user.cache.events) + " events",
        ["Item", "Type", "Time", "Sequence"],
        user.recent.map((event) => [
            itemButton(event),
            user.model.event_types[event.type] || event.type,
            formatTime(event.time_ms),
            event.sequence,
        ]),
    );
}

function drawTop(user) {
    const comparison = user.comparison;
    const most = Math.max(
        ...comparison.top.map((event) => Math.max(event.exact, event.quantized)),
        1e-300,
    );
    const weight = (value, kind) => {
        const cell = element("div", {}, (value * 100).toFixed(2) + " %");
        cell.append(bar(value / most, kind));
        return cell;
    };
    byId("top-note").textContent =
        "By exact attention, the mean of all heads, among " +
        formatCount(comparison.events) +
        " events. Key error is ‖k̂ − k‖ / ‖k‖.";
    fillTable(
        byId("top-table"),
        "What each event weighs",
        ["Item", "Type", "Time", "Exact", "Quantized", "Key error", "Codewords"],
        comparison.top.map((event) => [
            itemButton(event),
            user.model.event_types[event.type] || event.type,
            formatTime(event.time_ms),
            weight(event.exact, "exact"),
            weight(event.quantized, "quantized"),
            formatNumber(event.key_error, 3),
            event.codes.join(" · "),
        ]),
    );
}

/* ---- asking ---- */

function draw(user) {
    const compared = Boolean(user.candidate);
    shown = user;
    for (const id of SECTIONS) show(id, compared || !["score", "bound", "top"].includes(id));
    drawSummary(user);
    drawCodewords(user);
    drawKernels(user);
    drawForgetting(user);
    drawRecent(user);
    if (compared) {
        drawScore(user);
        drawBound(user.comparison);
        drawTop(user);
    }
}

function query() {
    const wanted = new URLSearchParams();
    for (const id of ["id", "candidate", "time", "model"]) {
        const value = byId(id).value.trim();
        if (value !== "") wanted.set(id, value);
    }
    return wanted;
}

async function look(remember) {
    const wanted = query();
    const number = ++asked;
    if (remember) history.pushState(null, "", "?" + wanted);
    byId("state").textContent = "looking …";
    let user = null;
    let problem = "";
    try {
        const answer = await fetch("/api/user?" + wanted);
        user = await answer.json();
        problem = user.error || "";
    } catch (error) {
        problem = "The server does not answer: " + error.message;
    }
    if (number !== asked) return;
    byId("state").textContent = "";
    showError(problem);
    if (problem === "") draw(user);
    else SECTIONS.forEach((id) => show(id, false));
}

/* Fills the form from the address, and looks if there is a user. */
function readAddress() {
    const given = new URLSearchParams(location.search);
    for (const id of ["id", "candidate", "time", "model"]) byId(id).value = given.get(id) || "";
    if (given.get("id")) look(false);
}

byId("shade").append(
    ...Object.entries(SHADES).map(([by, name]) => element("option", { value: by }, name)),
);
byId("shade").addEventListener("change", () => shown && drawCodewords(shown));
byId("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    look(true);
});
addEventListener("popstate", readAddress);
readAddress();
