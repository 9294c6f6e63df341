'use strict';

// Appends an event to a user's history and scores items: node client.js HOST:PORT USER ITEM...

const crypto = require('node:crypto');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const ATTEMPTS = 5;
const DEADLINE_MS = 1000; // of one attempt

const { v1 } = grpc.loadPackageDefinition(loader.loadSync(
  ['vql/v1/scoring.proto', 'vql/v1/history.proto'],
  { includeDirs: [path.join(__dirname, '../../proto')], longs: String, defaults: true })).vql;

// Calls a method about one user, again when the server asks for it.
async function call(stub, method, request) {
  const metadata = new grpc.Metadata();
  metadata.set('x-vql-user', request.userId); // whom it is about, for proxies
  if (process.env.VQL_TOKEN) metadata.set('authorization', `Bearer ${process.env.VQL_TOKEN}`);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await new Promise((resolve, reject) => {
        stub[method](request, metadata, { deadline: Date.now() + DEADLINE_MS },
          (error, answer) => (error ? reject(error) : resolve(answer)));
      });
    } catch (error) {
      const [pushback] = error.metadata?.get('grpc-retry-pushback-ms') ?? [];
      if (!/^\d+$/.test(pushback) || attempt === ATTEMPTS) throw error;
      console.error(`${grpc.status[error.code]}: again in ${pushback} ms`);
      await sleep(Number(pushback));
    }
  }
}

async function main([server, user, ...items]) {
  const credentials = grpc.credentials.createInsecure();
  const history = new v1.History(server, credentials);
  const scoring = new v1.Scoring(server, credentials);
  // An event with an id is applied once, however often it is sent.
  const id = crypto.randomBytes(8).readBigUInt64BE().toString();
  const event = { itemId: items[0], timeMs: Date.now(), id };
  const appended = await call(history, 'append', { userId: user, events: [event] });
  console.log('sequence', appended.sequence);
  const { scores, tasks } = await call(scoring, 'score', { userId: user, itemIds: items });
  items.forEach((item, i) => { // a score for each task
    console.log(item, ...scores.slice(i * tasks.length, (i + 1) * tasks.length));
  });
  [history, scoring].forEach((stub) => stub.close());
}

main(process.argv.slice(2)).catch((error) => {
  console.error(`${grpc.status[error.code]}: ${error.details}`);
  process.exit(1);
});
