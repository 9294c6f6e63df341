'use strict';

// A gRPC client of vqld, made of the .proto files, for every test beside it.

const assert = require('node:assert');
const crypto = require('node:crypto');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const CALL_MS = 180_000; // a call that takes longer hangs
const UNKNOWN_ITEM = 999_999_999_999;
const MAX_CANDIDATES = 10_000; // as run.py configures the server
const MAX_MESSAGE_BYTES = 4 << 20;

const protos = grpc.loadPackageDefinition(loader.loadSync(
  ['vql/v1/scoring.proto', 'vql/v1/history.proto', 'vql/v1/models.proto',
    'grpc/health/v1/health.proto'],
  { includeDirs: [process.env.INTEROP_PROTO], longs: String, enums: String, defaults: true }));

// Services at one address share a connection.
function connect(Service) {
  return new Service(process.env.INTEROP_SERVER, grpc.credentials.createInsecure());
}

const scoring = connect(protos.vql.v1.Scoring);
const history = connect(protos.vql.v1.History);
const models = connect(protos.vql.v1.Models);
const health = connect(protos.grpc.health.v1.Health);

function close() {
  [scoring, history, models, health].forEach((stub) => stub.close());
}

function within(ms) {
  return { deadline: Date.now() + ms };
}

// Calls a unary method; resolves with the answer, rejects with the status.
function call(stub, method, request, options = within(CALL_MS)) {
  return new Promise((resolve, reject) => {
    stub[method](request, options, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

const score = (request, options) => call(scoring, 'score', request, options);
const append = (request, options) => call(history, 'append', request, options);

// Collects what a stream answers; resolves when it has ended, with the answers and the status.
function collect(stream) {
  const answers = [];
  stream.on('data', (answer) => answers.push(answer));
  stream.on('error', () => {}); // the status says it too
  return new Promise((resolve) => {
    stream.on('status', (status) => resolve({ answers, status }));
  });
}

// Sends requests over a stream and collects its answers.
function exchange(stream, requests) {
  const outcome = collect(stream);
  requests.forEach((request) => stream.write(request));
  stream.end();
  return outcome;
}

// Asserts that a promise rejects with a gRPC status, and that its text has all the words.
async function assertRefused(promise, code, ...words) {
  await assert.rejects(promise, (error) => {
    assert.strictEqual(error.code, code, error.message);
    words.forEach((word) => assert.ok(error.details.includes(word), error.details));
    return true;
  });
}

let lastUser = crypto.randomBytes(6).readUIntBE(0, 6);

// The id of a user that the server has not heard of.
function freshUser() {
  lastUser += 1;
  return lastUser;
}

module.exports = {
  CALL_MS, MAX_CANDIDATES, MAX_MESSAGE_BYTES, UNKNOWN_ITEM, append, assertRefused, call, close,
  collect, exchange, freshUser, health, history, models, score, scoring, status: grpc.status,
  within,
};
