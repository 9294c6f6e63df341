'use strict';

const assert = require('node:assert');
const { after, test } = require('node:test');

const { CALL_MS, assertRefused, call, close, health, status, within } = require('./client');

const SERVICES = ['', 'vql.v1.Scoring', 'vql.v1.History', 'vql.v1.Models'];

after(close);

// The first status that a watch tells.
async function firstOfWatch(service) {
  const watch = health.watch({ service }, within(CALL_MS));
  watch.on('error', () => {}); // CANCELLED
  const answer = await new Promise((resolve) => {
    watch.once('data', resolve);
  });
  watch.cancel();
  return answer.status;
}

test('known services are serving', async () => {
  for (const service of SERVICES) {
    assert.strictEqual((await call(health, 'check', { service })).status, 'SERVING');
    assert.strictEqual(await firstOfWatch(service), 'SERVING');
  }
});

test('an unknown service', async () => {
  await assertRefused(call(health, 'check', { service: 'missing' }), status.NOT_FOUND);
  assert.strictEqual(await firstOfWatch('missing'), 'SERVICE_UNKNOWN');
});
