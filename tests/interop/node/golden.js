'use strict';

// Golden requests: answers computed in float64 by a program that shares no code with vql.

const fs = require('node:fs');
const zlib = require('node:zlib');

const TOLERANCE = Number(process.env.INTEROP_TOLERANCE); // of a score, |served - golden|

const goldenRequests = zlib.gunzipSync(fs.readFileSync(process.env.INTEROP_GOLDEN))
  .toString()
  .trim()
  .split('\n')
  .map(JSON.parse)
  .map((line) => ({
    timeMs: line.at,
    events: line.events.map(([itemId, type, timeMs]) => ({ itemId, type, timeMs })),
    candidates: line.candidates, // the last one unknown to the model
    scores: line.scores.flat(), // candidate by candidate, task by task
  }));

const knownItems = goldenRequests[0].candidates.slice(0, -1);

module.exports = { TOLERANCE, goldenRequests, knownItems };
