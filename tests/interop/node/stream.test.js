'use strict';

const assert = require('node:assert');
const { after, test } = require('node:test');

const {
  CALL_MS, MAX_CANDIDATES, append, close, collect, exchange, freshUser, history, score, scoring,
  status, within,
} = require('./client');
const { knownItems } = require('./golden');

const MESSAGES = 3000;
const EVENT = { itemId: knownItems[0], timeMs: 1 };

after(close);

const openScoreStream = (ms = CALL_MS) => scoring.scoreStream(within(ms));
const openAppendStream = () => history.appendStream(within(CALL_MS));

test('appends are answered in order', async () => {
  const users = Array.from({ length: 64 }, freshUser);
  const requests = Array.from({ length: MESSAGES },
    (_, i) => ({ userId: users[(i * i) % 64], events: [EVENT] }));
  const { answers, status: end } = await exchange(openAppendStream(), requests);
  assert.strictEqual(end.code, status.OK, end.details);
  assert.strictEqual(answers.length, MESSAGES);
  const sequences = new Map();
  requests.forEach(({ userId }, i) => {
    sequences.set(userId, (sequences.get(userId) ?? 0) + 1);
    assert.strictEqual(answers[i].sequence, String(sequences.get(userId)));
  });
});

test('scores are answered in order', async () => {
  const users = Array.from({ length: 64 }, freshUser);
  await Promise.all(users.map((userId, i) => append({ userId, events: new Array(i).fill(EVENT) })));
  const requests = Array.from({ length: MESSAGES },
    (_, i) => ({ userId: users[(i * i) % 64], itemIds: knownItems.slice(0, 1 + (i % 7)) }));
  const { answers, status: end } = await exchange(openScoreStream(), requests);
  assert.strictEqual(end.code, status.OK, end.details);
  assert.strictEqual(answers.length, MESSAGES);
  answers.forEach((answer, i) => {
    assert.strictEqual(answer.sequence, String((i * i) % 64));
    assert.strictEqual(answer.scores.length, requests[i].itemIds.length * answer.tasks.length);
  });
});

test('large answers to a reader that pauses', async () => {
  const request = { userId: freshUser(), itemIds: new Array(MAX_CANDIDATES).fill(knownItems[0]) };
  const stream = openScoreStream();
  const outcome = exchange(stream, new Array(30).fill(request));
  stream.pause();
  assert.ok(await score({ userId: freshUser(), itemIds: knownItems }));
  stream.resume();
  const { answers, status: end } = await outcome;
  assert.strictEqual(end.code, status.OK, end.details);
  assert.strictEqual(answers.length, 30);
});

test('a stream without a message', async () => {
  for (const stream of [openScoreStream(), openAppendStream()]) {
    const { answers, status: end } = await exchange(stream, []);
    assert.strictEqual(end.code, status.OK, end.details);
    assert.strictEqual(answers.length, 0);
  }
});

test('a refused request ends the stream after the answers before it', async () => {
  const userId = freshUser();
  const good = { userId, events: [EVENT] };
  const bad = { userId, events: [EVENT, { type: 4_000_000 }] };
  const { answers, status: end } = await exchange(openAppendStream(), [good, good, bad, good]);
  assert.deepStrictEqual(answers.map((answer) => answer.sequence), ['1', '2']);
  assert.strictEqual(end.code, status.INVALID_ARGUMENT);
  assert.match(end.details, /type.*4000000/);
  assert.strictEqual((await score({ userId, itemIds: knownItems })).sequence, '2');
});

test('a cancelled stream', async () => {
  const stream = openScoreStream();
  const outcome = collect(stream);
  const request = { userId: freshUser(), itemIds: knownItems };
  stream.once('data', () => stream.cancel());
  for (let i = 0; i < 500; i += 1) {
    stream.write(request);
  }
  assert.strictEqual((await outcome).status.code, status.CANCELLED);
  assert.ok(await score(request));
});

test('the deadline of an open stream', async () => {
  const stream = openScoreStream(500);
  const outcome = collect(stream);
  stream.write({ userId: freshUser(), itemIds: knownItems });
  assert.strictEqual((await outcome).status.code, status.DEADLINE_EXCEEDED);
});
