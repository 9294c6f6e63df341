'use strict';

const assert = require('node:assert');
const { after, test } = require('node:test');

const {
  CALL_MS, MAX_CANDIDATES, MAX_MESSAGE_BYTES, UNKNOWN_ITEM, append, assertRefused, call, close,
  freshUser, history, models, score, scoring, status, within,
} = require('./client');
const { TOLERANCE, goldenRequests, knownItems } = require('./golden');

after(close);

function assertGolden(answer, golden) {
  assert.strictEqual(answer.unknownItems, 1);
  assert.strictEqual(answer.scores.length, golden.scores.length);
  answer.scores.forEach((value, i) => {
    assert.ok(Math.abs(value - golden.scores[i]) <= TOLERANCE, `score ${i}: ${value}`);
  });
}

test('appended histories score as the golden file says', async () => {
  for (const golden of goldenRequests) {
    const userId = freshUser();
    await append({ userId, events: golden.events });
    const answer = await score({ userId, itemIds: golden.candidates, timeMs: golden.timeMs });
    assert.strictEqual(answer.sequence, String(golden.events.length));
    assertGolden(answer, golden);
  }
});

test('histories in the request score alike', async () => {
  for (const { candidates: itemIds, timeMs, events, ...golden } of goldenRequests) {
    assertGolden(await score({ userId: freshUser(), itemIds, timeMs, events }), golden);
  }
});

test('a history is written, read and deleted', async () => {
  const userId = freshUser();
  const events = [1, 2, 2, 3].map((id) => ({ itemId: knownItems[0], timeMs: 1000 + id, id }));
  assert.deepStrictEqual(await append({ userId, events }),
    { sequence: '3', appended: 3, duplicates: 1, durability: 'MEMORY' });
  const state = await call(history, 'get', { userId, maxEvents: 2 });
  assert.deepStrictEqual(state.events.map((stored) => stored.sequence), ['3', '2']);
  assert.deepStrictEqual([state.firstTimeMs, state.lastTimeMs], ['1001', '1003']);
  assert.strictEqual((await call(history, 'delete', { userId })).events, '3');
  assert.strictEqual((await call(history, 'get', { userId })).sequence, '0');
});

test('one model is active', async () => {
  const { models: [model, ...others] } = await call(models, 'list', {});
  assert.strictEqual(model.active, true);
  assert.strictEqual(others.length, 0);
  const answer = await score({ userId: freshUser(), itemIds: knownItems, model: model.name });
  assert.deepStrictEqual(answer.tasks, model.tasks);
});

test('10,000 candidates in one request', async () => {
  const count = knownItems.length;
  const itemIds = Array.from({ length: MAX_CANDIDATES }, (_, i) => knownItems[i % count]);
  const userId = freshUser();
  const { scores, tasks } = await score({ userId, itemIds });
  assert.strictEqual(scores.length, MAX_CANDIDATES * tasks.length);
  scores.forEach((value, i) => assert.strictEqual(value, scores[i % (count * tasks.length)]));
});

test('200 calls at once', async () => {
  const users = Array.from({ length: 200 }, freshUser);
  const event = { itemId: knownItems[0], timeMs: 1 };
  await Promise.all(users.map((userId) => append({ userId, events: [event] })));
  const answers = await Promise.all(users.map((userId) => score({ userId, itemIds: knownItems })));
  answers.forEach((answer) => assert.strictEqual(answer.sequence, '1'));
});

test('bad input is refused by status and by name', async () => {
  const userId = freshUser();
  const itemIds = knownItems;
  const badType = { itemId: 1, type: 4_000_000 };
  const badTime = { itemId: 1, timeMs: -5 };
  const { INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION, RESOURCE_EXHAUSTED } = status;
  await assertRefused(append({ userId, events: [badType] }), INVALID_ARGUMENT, 'type', '4000000');
  await assertRefused(append({ userId, events: [badTime] }), INVALID_ARGUMENT, 'time_ms', '-5');
  await assertRefused(score({ userId, itemIds: [] }), INVALID_ARGUMENT, 'item_ids');
  await assertRefused(score({ userId, itemIds, timeMs: -9 }), INVALID_ARGUMENT, 'time_ms', '-9');
  await assertRefused(score({ userId, itemIds, model: 'modèle 100%' }), NOT_FOUND, 'modèle 100%');
  await assertRefused(score({ userId, itemIds, minSequence: 7777 }), FAILED_PRECONDITION, '7777');
  await assertRefused(score({ userId, itemIds: new Array(MAX_CANDIDATES + 1).fill(1) }),
    RESOURCE_EXHAUSTED, 'item_ids', String(MAX_CANDIDATES));
  assert.strictEqual((await call(history, 'get', { userId })).sequence, '0');
});

test('an unknown method', async () => {
  const same = (bytes) => bytes;
  const promise = new Promise((resolve, reject) => {
    scoring.makeUnaryRequest('/vql.v1.Scoring/Missing', same, same, Buffer.alloc(0),
      (error, answer) => (error ? reject(error) : resolve(answer)));
  });
  await assertRefused(promise, status.UNIMPLEMENTED, 'Missing');
});

test('an unknown item is scored and counted', async () => {
  const answer = await score({ userId: freshUser(), itemIds: [UNKNOWN_ITEM, ...knownItems] });
  assert.strictEqual(answer.unknownItems, 1);
  assert.strictEqual(answer.unknownUser, true);
});

test('a passed deadline', async () => {
  const request = { userId: freshUser(), itemIds: new Array(MAX_CANDIDATES).fill(knownItems[0]) };
  await assertRefused(score(request, within(-1)), status.DEADLINE_EXCEEDED);
  for (const ms of [1, 2, 3, 5, 8]) {
    await score(request, within(ms)).catch((error) => {
      assert.strictEqual(error.code, status.DEADLINE_EXCEEDED, error.message);
    });
  }
  assert.ok(await score(request));
});

test('a cancelled call', async () => {
  const request = { userId: freshUser(), itemIds: new Array(MAX_CANDIDATES).fill(knownItems[0]) };
  const cancelled = new Promise((resolve, reject) => {
    const done = (error) => (error ? reject(error) : resolve());
    scoring.score(request, within(CALL_MS), done).cancel();
  });
  await assertRefused(cancelled, status.CANCELLED);
  assert.ok(await score(request));
});

test('just under 4 MiB is read, more is refused', async () => {
  const userId = freshUser();
  const fitting = { userId, itemIds: knownItems, model: 'x'.repeat(MAX_MESSAGE_BYTES - 200) };
  await assertRefused(score(fitting), status.NOT_FOUND, 'model');
  const tooLarge = { userId, itemIds: knownItems, model: 'x'.repeat(MAX_MESSAGE_BYTES) };
  await assertRefused(score(tooLarge), status.RESOURCE_EXHAUSTED, String(MAX_MESSAGE_BYTES));
  assert.ok(await score({ userId, itemIds: knownItems }));
});
