/* Traffic, latency, memory, shards and models, drawn once a second from /metrics. */
"use strict";

const EVERY_MS = 1000;
const COLUMNS = 120; /* seconds that are drawn */
const RECENT = 10; /* seconds that rates and percentiles are of */
const METHOD_COLOURS = 6;
const CALLS = "rpc_server_call_duration_seconds";

const looks = []; /* of /metrics, the newest last: at most COLUMNS + 1 */

/* ---- reading ---- */

/* Samples by name: [{labels, value}], of Prometheus' text format. */
function parseMetrics(text) {
    const families = new Map();
    for (const line of text.split("\n")) {
        const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
        if (!found) continue;
        const labels = {};
        for (const [, name, value] of (found[2] || "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g))
            labels[name] = value.replace(/\\(.)/g, (whole, escaped) =>
                escaped === "n" ? "\n" : escaped,
            );
        if (!families.has(found[1])) families.set(found[1], []);
        families.get(found[1]).push({ labels, value: Number(found[3].replace("Inf", "Infinity")) });
    }
    return families;
}

function samples(look, name) {
    return look.metrics.get(name) || [];
}

function total(look, name, labels = {}) {
    return samples(look, name)
        .filter((sample) =>
            Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
        )
        .reduce((sum, sample) => sum + sample.value, 0);
}

/* Calls as {key, method, model, status, bounds, counts}: counts of each bucket alone. */
function readCalls(metrics) {
    const series = new Map();
    for (const { labels, value } of metrics.get(CALLS + "_bucket") || []) {
        const key = [labels.rpc_method, labels.vql_model, labels.rpc_response_status_code].join(
            " ",
        );
        if (!series.has(key))
            series.set(key, {
                key,
                method: labels.rpc_method,
                model: labels.vql_model,
                status: labels.rpc_response_status_code,
                bounds: [],
                counts: [],
                before: 0,
            });
        const one = series.get(key);
        one.bounds.push(labels.le === "+Inf" ? Infinity : Number(labels.le));
        one.counts.push(value - one.before);
        one.before = value;
    }
    return series;
}

/* What came to each series between two looks. */
function callsBetween(earlier, later) {
    const found = [];
    for (const one of later.calls.values()) {
        const before = earlier.calls.get(one.key);
        const counts = one.counts.map((count, i) =>
            Math.max(0, count - (before ? before.counts[i] : 0)),
        );
        found.push({ ...one, counts, calls: counts.reduce((a, b) => a + b, 0), all: one.before });
    }
    return found;
}

function addCounts(series) {
    const sum = [];
    for (const one of series)
        one.counts.forEach((count, i) => {
            sum[i] = (sum[i] || 0) + count;
        });
    return sum;
}

/* The latency in ms below which a part of the calls stayed; null without calls. */
function percentile(bounds, counts, part) {
    const all = counts.reduce((a, b) => a + b, 0);
    let before = 0;
    for (let i = 0; i < counts.length && all > 0; i++) {
        if (counts[i] > 0 && before + counts[i] >= part * all) {
            const low = i > 0 ? bounds[i - 1] : 0;
            const high = Number.isFinite(bounds[i]) ? bounds[i] : low;
            return 1000 * (low + ((high - low) * (part * all - before)) / counts[i]);
        }
        before += counts[i];
    }
    return null;
}

function formatMs(ms) {
    if (ms === null) return "–";
    return ms < 1 ? Math.round(ms * 1000) + " µs" : Number(ms.toPrecision(3)) + " ms";
}

/* ---- drawing ---- */

function colour(name) {
    return getComputedStyle(document.documentElement)
        .getPropertyValue("--" + name)
        .trim();
}

/* A canvas's context in units of CSS pixels, cleared. */
function begin(canvas) {
    const ratio = devicePixelRatio || 1;
    const width = canvas.clientWidth,
        height = canvas.clientHeight;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    return { context, width, height };
}

function drawTimes(context, left, width, height) {
    context.fillStyle = colour("quiet");
    context.textAlign = "center";
    for (let ago = 0; ago <= COLUMNS; ago += 30)
        context.fillText(
            ago === 0 ? "now" : "−" + ago + " s",
            Math.min(
                left + width - 12,
                left + width * (1 - ago / COLUMNS) + (ago === COLUMNS ? 14 : 0),
            ),
            height - 7,
        );
}

/* Columns of counts by bucket, the newest at the right. */
function drawHeat(columns, bounds) {
    const { context, width, height } = begin(byId("heat"));
    const left = 58,
        bottom = 20;
    const used = bounds.map((bound, i) => columns.some((column) => column[i] > 0));
    const first = Math.max(0, used.indexOf(true) - 1);
    const last = Math.min(bounds.length - 1, Math.max(used.lastIndexOf(true) + 1, first + 5));
    const rows = last - first + 1;
    const wide = (width - left) / COLUMNS,
        tall = (height - bottom) / rows;
    const most = Math.max(1, ...columns.map((column) => Math.max(0, ...column)));
    context.fillStyle = colour("cell");
    context.fillRect(left, 0, width - left, height - bottom);
    context.fillStyle = colour("accent");
    columns.forEach((column, c) => {
        for (let i = first; i <= last; i++) {
            if (!column[i]) continue;
            context.globalAlpha = 0.15 + (0.85 * Math.log1p(column[i])) / Math.log1p(most);
            context.fillRect(
                left + (COLUMNS - columns.length + c) * wide,
                (last - i) * tall,
                wide + 0.3,
                tall - 0.6,
            );
        }
    });
    context.globalAlpha = 1;
    context.fillStyle = colour("quiet");
    context.textAlign = "right";
    const step = Math.ceil(rows / (height / 26));
    for (let i = first; i <= last; i += step)
        if (Number.isFinite(bounds[i]))
            context.fillText(formatMs(bounds[i] * 1000), left - 6, Math.max(7, (last - i) * tall));
    drawTimes(context, left, width - left, height);
}

/* Stacked columns of calls a second by method. */
function drawTraffic(columns, methods) {
    const { context, width, height } = begin(byId("traffic"));
    const left = 58,
        bottom = 20;
    const wide = (width - left) / COLUMNS;
    const sums = columns.map((column) =>
        methods.reduce((sum, method) => sum + (column.get(method) || 0), 0),
    );
    const most = Math.max(1, ...sums);
    context.fillStyle = colour("cell");
    context.fillRect(left, 0, width - left, height - bottom);
    columns.forEach((column, c) => {
        let y = height - bottom;
        methods.forEach((method, m) => {
            const tall = ((column.get(method) || 0) / most) * (height - bottom - 6);
            context.fillStyle = colour("head" + (m % METHOD_COLOURS));
            context.fillRect(
                left + (COLUMNS - columns.length + c) * wide,
                y - tall,
                Math.max(1, wide - 0.8),
                tall,
            );
            y -= tall;
        });
    });
    context.fillStyle = colour("quiet");
    context.textAlign = "right";
    context.fillText(formatCount(most), left - 6, 9);
    context.fillText("0", left - 6, height - bottom - 5);
    drawTimes(context, left, width - left, height);
}

/* ---- sections ---- */

function drawTiles(first, last, recent) {
    const seconds = (last.time - first.time) / 1000;
    const counts = addCounts(recent);
    const bounds = recent.length > 0 ? recent[0].bounds : [];
    const calls = recent.reduce((sum, one) => sum + one.calls, 0);
    const failed = recent
        .filter((one) => one.status !== "OK")
        .reduce((sum, one) => sum + one.calls, 0);
    const rate = (name, labels) =>
        Math.max(0, total(last, name, labels) - total(first, name, labels)) / seconds;
    const hits = rate("vql_cache_lookups_total", { result: "hit" });
    const found = hits + rate("vql_cache_lookups_total", { result: "miss" });
    fillTiles(byId("tiles"), [
        ["Calls a second", formatCount(calls / seconds)],
        ["Failed", calls > 0 ? ((100 * failed) / calls).toFixed(2) + " %" : "–"],
        ["Median", formatMs(percentile(bounds, counts, 0.5))],
        ["99th percentile", formatMs(percentile(bounds, counts, 0.99))],
        ["Events a second", formatCount(rate("vql_events_appended_total"))],
        ["Cache hits", found > 0 ? ((100 * hits) / found).toFixed(1) + " %" : "–"],
        ["Shed a second", formatNumber(rate("vql_requests_shed_total"), 3)],
        ["Connections", formatCount(total(last, "vql_connections"))],
    ]);
}

function drawMethods(recent, seconds) {
    const lines = recent.sort((a, b) => b.all - a.all);
    fillTable(
        byId("methods"),
        "The last " + RECENT + " seconds",
        ["Method", "Status", "Model", "Calls", "Calls/s", "Median", "p99"],
        lines.map((one) => [
            one.method,
            one.status,
            one.model || "–",
            formatCount(one.all),
            formatNumber(one.calls / seconds, 3),
            formatMs(percentile(one.bounds, one.counts, 0.5)),
            formatMs(percentile(one.bounds, one.counts, 0.99)),
        ]),
    );
    [...byId("methods").tBodies[0].rows].forEach((row, i) =>
        row.classList.toggle("failing", lines[i].status !== "OK"),
    );
}

function drawMemory(look) {
    const resident = total(look, "process_resident_memory_bytes");
    const limit = total(look, "vql_cache_limit_bytes");
    const caches = total(look, "vql_cache_bytes");
    const models = total(look, "vql_model_bytes");
    const pending = total(look, "vql_pending_bytes");
    const rows = [
        ["Resident", resident, resident],
        ["Users' caches", caches, limit > 0 ? limit : resident],
        ["Models", models, resident],
        ["Requests and answers", pending, resident],
    ];
    byId("memory").replaceChildren(
        ...rows.flatMap(([name, bytes, whole]) => [
            element("span", {}, name),
            bar(whole > 0 ? bytes / whole : 0),
            element(
                "strong",
                {},
                formatBytes(bytes) +
                    (name === "Users' caches"
                        ? limit > 0
                            ? " of " + formatBytes(limit)
                            : ", no limit"
                        : ""),
            ),
        ]),
    );
}

function drawModels(look) {
    const of = (name, model) => total(look, name, { vql_model: model });
    fillTable(
        byId("models"),
        "Versions that are loaded",
        ["Version", "State", "Memory", "Caches made"],
        samples(look, "vql_model_bytes").map(({ labels, value }) => {
            const model = labels.vql_model;
            const users = of("vql_model_rebuild_users", model),
                done = of("vql_model_rebuilt_users", model);
            const state = of("vql_model_active", model)
                ? "active"
                : of("vql_model_ready", model)
                  ? "ready"
                  : "making caches";
            const progress = element(
                "div",
                {},
                users > 0 ? formatCount(done) + " of " + formatCount(users) : "–",
            );
            if (users > 0) progress.append(bar(done / users));
            return [model, state, formatBytes(value), progress];
        }),
    );
}

function drawShards(first, last) {
    const seconds = (last.time - first.time) / 1000;
    fillTable(
        byId("shards"),
        "One a thread",
        ["Shard", "Users", "Caches", "Limit", "Evictions/s", "Waiting", "At the store"],
        samples(last, "vql_cache_users").map(({ labels, value }) => {
            const of = (look, name) => total(look, name, { shard: labels.shard });
            const limit = of(last, "vql_cache_limit_bytes");
            const evictions = Math.max(
                0,
                of(last, "vql_cache_evictions_total") - of(first, "vql_cache_evictions_total"),
            );
            return [
                labels.shard,
                formatCount(value),
                formatBytes(of(last, "vql_cache_bytes")),
                limit > 0 ? formatBytes(limit) : "none",
                formatNumber(evictions / seconds, 3),
                formatCount(of(last, "vql_queue_jobs")),
                formatCount(of(last, "vql_store_pending_jobs")),
            ];
        }),
    );
}

function drawHistory() {
    const methods = [
        ...new Set([...looks[looks.length - 1].calls.values()].map((one) => one.method)),
    ].sort();
    const heat = [];
    const traffic = [];
    let bounds = [];
    for (let i = 1; i < looks.length; i++) {
        const between = callsBetween(looks[i - 1], looks[i]);
        const seconds = (looks[i].time - looks[i - 1].time) / 1000;
        const rates = new Map();
        for (const one of between) {
            rates.set(one.method, (rates.get(one.method) || 0) + one.calls / seconds);
            bounds = one.bounds;
        }
        heat.push(addCounts(between));
        traffic.push(rates);
    }
    drawHeat(heat, bounds);
    drawTraffic(traffic, methods);
    byId("traffic-legend").replaceChildren(
        ...methods.map((method, m) => {
            const swatch = element("span", { class: "swatch" });
            swatch.style.background = colour("head" + (m % METHOD_COLOURS));
            return element("li", {}, swatch, method);
        }),
    );
}

function draw() {
    const last = looks[looks.length - 1];
    const first = looks[Math.max(0, looks.length - 1 - RECENT)];
    if (first === last) return;
    const recent = callsBetween(first, last);
    drawTiles(first, last, recent);
    drawHistory();
    drawMethods(recent, (last.time - first.time) / 1000);
    drawMemory(last);
    drawModels(last);
    drawShards(first, last);
    document.body.dataset.looks = String(looks.length);
}

async function look() {
    try {
        const answer = await fetch("/metrics");
        if (!answer.ok) throw new Error("status " + answer.status);
        const metrics = parseMetrics(await answer.text());
        looks.push({ time: performance.now(), metrics, calls: readCalls(metrics) });
        if (looks.length > COLUMNS + 1) looks.shift();
        byId("state").textContent = "live";
        if (!document.hidden) draw();
    } catch (error) {
        byId("state").textContent = "no answer: " + error.message;
    }
    setTimeout(look, EVERY_MS);
}

addEventListener("resize", () => looks.length > 1 && draw());
look();
