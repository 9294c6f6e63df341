'use strict';

// Server reflection as a reflection client from npm uses it: v1alpha, and no .proto file at hand.

const assert = require('node:assert');
const { test } = require('node:test');
const grpc = require('@grpc/grpc-js');
const { GrpcReflection } = require('grpc-js-reflection-client');

const { CALL_MS, freshUser, within } = require('./client');

// Streams of requests and of answers, by method.
const METHODS = {
  'vql.v1.Scoring': { Score: [false, false], ScoreStream: [true, true] },
  'vql.v1.History': {
    Append: [false, false], AppendStream: [true, true], Get: [false, false], Delete: [false, false],
  },
  'vql.v1.Models': {
    List: [false, false], Load: [false, false], Activate: [false, false], Unload: [false, false],
    UpsertItems: [false, false],
  },
  'grpc.health.v1.Health': { Check: [false, false], List: [false, false], Watch: [false, true] },
  'grpc.reflection.v1.ServerReflection': { ServerReflectionInfo: [true, true] },
  'grpc.reflection.v1alpha.ServerReflection': { ServerReflectionInfo: [true, true] },
};

const server = process.env.INTEROP_SERVER;
const client = new GrpcReflection(server, grpc.ChannelCredentials.createInsecure());

test('all services and methods are listed', { timeout: CALL_MS }, async () => {
  assert.deepStrictEqual((await client.listServices()).sort(), Object.keys(METHODS).sort());
  for (const [service, methods] of Object.entries(METHODS)) {
    const listed = await client.listMethods(service);
    const streams = listed.map(({ name, definition }) => [
      name, [definition.requestStream, definition.responseStream]]);
    assert.deepStrictEqual(Object.fromEntries(streams), methods);
  }
});

test('a call by what was described', { timeout: CALL_MS }, async () => {
  const descriptor = await client.getDescriptorBySymbol('vql.v1.Scoring');
  const { Scoring } = descriptor.getPackageObject({ keepCase: true }).vql.v1;
  const stub = new Scoring(server, grpc.credentials.createInsecure());
  const answer = await new Promise((resolve, reject) => {
    stub.Score({ user_id: freshUser(), item_ids: [1, 2, 3] }, within(CALL_MS),
      (error, value) => (error ? reject(error) : resolve(value)));
  });
  stub.close();
  assert.ok(answer.scores.length >= 3);
  assert.strictEqual(answer.unknown_user, true);
});
