'use strict';

// The cases of gRPC's interoperability tests that need no credentials, as grpc-js has them:
// https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md. grpc-js does not say
// whether an answer came compressed: here it counts that it can be read.

const assert = require('node:assert');
const { after, test } = require('node:test');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const CALL_MS = 60_000; // a call that takes longer hangs
const LARGE_REQUEST = 271828;
const LARGE_RESPONSE = 314159;
const GZIP = 2;
const NO_COMPRESS = 2; // a flag of a write

const { testing } = grpc.loadPackageDefinition(loader.loadSync(
  'grpc/testing/test.proto',
  { includeDirs: [process.env.INTEROP_TEST_PROTO], keepCase: true, defaults: true })).grpc;

function connect(Service, options = {}) {
  return new Service(process.env.INTEROP_SERVER, grpc.credentials.createInsecure(),
    { 'grpc.use_local_subchannel_pool': 1, ...options });
}

const plain = connect(testing.TestService);
const packing = connect(testing.TestService, { 'grpc.default_compression_algorithm': GZIP });
const none = connect(testing.UnimplementedService);

after(() => [plain, packing, none].forEach((stub) => stub.close()));

const payload = (size) => ({ body: Buffer.alloc(size) });
const within = (ms = CALL_MS) => ({ deadline: Date.now() + ms });
const large = { response_size: LARGE_RESPONSE, payload: payload(LARGE_REQUEST) };

function assertSize(answer, size) {
  assert.strictEqual(answer.payload.body.length, size);
  assert.ok(answer.payload.body.every((byte) => byte === 0));
}

// Everything that a call gives: answers, metadata, status.
function observe(call) {
  const seen = { answers: [], head: null };
  call.on('metadata', (metadata) => { seen.head = metadata; });
  call.on('error', () => {}); // the status says it too
  if (call.readable !== undefined) call.on('data', (answer) => seen.answers.push(answer));
  return new Promise((resolve) => {
    call.on('status', (status) => resolve({ ...seen, status }));
  });
}

async function unary(stub, method, request, metadata = new grpc.Metadata(), options = within()) {
  let answer;
  const call = stub[method](request, metadata, options, (_, value) => { answer = value; });
  return { ...await observe(call), answer };
}

async function assertOk(promise) {
  const outcome = await promise;
  assert.strictEqual(outcome.status.code, grpc.status.OK, outcome.status.details);
  return outcome;
}

async function assertCode(promise, code) {
  assert.strictEqual((await promise).status.code, code);
}

const parameters = (...sizes) => sizes.map((size) => ({ size }));

test('empty_unary', async () => {
  assert.deepStrictEqual((await assertOk(unary(plain, 'EmptyCall', {}))).answer, {});
});

test('large_unary', async () => {
  assertSize((await assertOk(unary(plain, 'UnaryCall', large))).answer, LARGE_RESPONSE);
});

test('client_compressed_unary', async () => {
  const call = (stub, value) => unary(stub, 'UnaryCall',
    { ...large, expect_compressed: { value } });
  await assertCode(call(plain, true), grpc.status.INVALID_ARGUMENT);
  assertSize((await assertOk(call(packing, true))).answer, LARGE_RESPONSE);
  assertSize((await assertOk(call(plain, false))).answer, LARGE_RESPONSE);
});

test('server_compressed_unary', async () => {
  for (const value of [true, false]) {
    const request = { ...large, response_compressed: { value } };
    const outcome = await assertOk(unary(plain, 'UnaryCall', request));
    assertSize(outcome.answer, LARGE_RESPONSE);
    assert.deepStrictEqual(outcome.head.get('grpc-encoding'), []); // read, and not passed on
  }
});

// Sends requests, [fields, flags] each, and half-closes.
async function streamIn(stub, requests) {
  let answer;
  const call = stub.StreamingInputCall(within(), (_, value) => { answer = value; });
  const outcome = observe(call);
  requests.forEach(([request, flags]) => call.write(request, flags));
  call.end();
  return { ...await outcome, answer };
}

test('client_streaming', async () => {
  const requests = [27182, 8, 1828, 45904].map((size) => [{ payload: payload(size) }]);
  const outcome = await assertOk(streamIn(plain, requests));
  assert.strictEqual(outcome.answer.aggregated_payload_size, 74922);
});

test('client_compressed_streaming', async () => {
  const request = (value, size) => ({ expect_compressed: { value }, payload: payload(size) });
  await assertCode(streamIn(plain, [[request(true, 27182)]]), grpc.status.INVALID_ARGUMENT);
  const outcome = await assertOk(streamIn(packing, [
    [request(true, 27182)],
    [request(false, 45904), NO_COMPRESS],
  ]));
  assert.strictEqual(outcome.answer.aggregated_payload_size, 73086);
});

test('server_streaming', async () => {
  const sizes = [31415, 9, 2653, 58979];
  const request = { response_parameters: parameters(...sizes) };
  const outcome = await assertOk(observe(plain.StreamingOutputCall(request, within())));
  assert.strictEqual(outcome.answers.length, sizes.length);
  sizes.forEach((size, i) => assertSize(outcome.answers[i], size));
});

test('server_compressed_streaming', async () => {
  const request = {
    response_parameters: [
      { size: 31415, compressed: { value: true } },
      { size: 92653, compressed: { value: false } },
    ],
  };
  const outcome = await assertOk(observe(plain.StreamingOutputCall(request, within())));
  assert.strictEqual(outcome.answers.length, 2);
  assertSize(outcome.answers[0], 31415);
  assertSize(outcome.answers[1], 92653);
});

test('ping_pong', async () => {
  const rounds = [[31415, 27182], [9, 8], [2653, 1828], [58979, 45904]];
  const call = plain.FullDuplexCall(within());
  const outcome = observe(call);
  for (const [size, bytes] of rounds) {
    call.write({ response_parameters: parameters(size), payload: payload(bytes) });
    await new Promise((resolve) => { call.once('data', resolve); });
  }
  call.end();
  const { answers } = await assertOk(outcome);
  assert.strictEqual(answers.length, rounds.length);
  rounds.forEach(([size], i) => assertSize(answers[i], size));
});

test('empty_stream', async () => {
  const call = plain.FullDuplexCall(within());
  const outcome = observe(call);
  call.end();
  assert.deepStrictEqual((await assertOk(outcome)).answers, []);
});

test('custom_metadata', async () => {
  const metadata = new grpc.Metadata();
  metadata.set('x-grpc-test-echo-initial', 'test_initial_metadata_value');
  metadata.set('x-grpc-test-echo-trailing-bin', Buffer.from('ababab', 'hex'));
  const check = ({ head, status }) => {
    assert.deepStrictEqual(head.get('x-grpc-test-echo-initial'), ['test_initial_metadata_value']);
    const [value] = status.metadata.get('x-grpc-test-echo-trailing-bin');
    assert.strictEqual(value.toString('hex'), 'ababab');
  };
  check(await assertOk(unary(plain, 'UnaryCall', large, metadata)));
  const call = plain.FullDuplexCall(metadata, within());
  const outcome = observe(call);
  call.write({ response_parameters: parameters(LARGE_RESPONSE), payload: payload(LARGE_REQUEST) });
  call.end();
  check(await assertOk(outcome));
});

async function assertEchoed(promise, message) {
  const { status } = await promise;
  assert.strictEqual(status.code, grpc.status.UNKNOWN);
  assert.strictEqual(status.details, message);
}

test('status_code_and_message', async () => {
  const message = 'test status message';
  const request = { response_status: { code: 2, message } };
  await assertEchoed(unary(plain, 'UnaryCall', request), message);
  const call = plain.FullDuplexCall(within());
  const outcome = observe(call);
  call.write(request);
  call.end();
  await assertEchoed(outcome, message);
});

test('special_status_message', async () => {
  const message = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n';
  await assertEchoed(unary(plain, 'UnaryCall', { response_status: { code: 2, message } }), message);
});

test('unimplemented_method', async () => {
  await assertCode(unary(plain, 'UnimplementedCall', {}), grpc.status.UNIMPLEMENTED);
});

test('unimplemented_service', async () => {
  await assertCode(unary(none, 'UnimplementedCall', {}), grpc.status.UNIMPLEMENTED);
});

test('cancel_after_begin', async () => {
  const call = plain.StreamingInputCall(within(), () => {});
  const outcome = observe(call);
  process.nextTick(() => call.cancel());
  await assertCode(outcome, grpc.status.CANCELLED);
});

test('cancel_after_first_response', async () => {
  const call = plain.FullDuplexCall(within());
  const outcome = observe(call);
  call.once('data', () => call.cancel());
  call.write({ response_parameters: parameters(31415), payload: payload(27182) });
  await assertCode(outcome, grpc.status.CANCELLED);
});

test('timeout_on_sleeping_server', async () => {
  const call = plain.FullDuplexCall(within(1));
  const outcome = observe(call);
  call.write({ payload: payload(27182) });
  await assertCode(outcome, grpc.status.DEADLINE_EXCEEDED);
});
