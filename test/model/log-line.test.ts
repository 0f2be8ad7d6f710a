/** Lines of `tendril log dump`: every record comes back byte by byte, whatever stands in it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatLogLine, parseLogLine, TendrilError } from '../../src/model/index.ts';

const record = (recordedAt: number, body: Uint8Array): Uint8Array => {
  const bytes = Buffer.alloc(8 + body.length);
  bytes.writeBigUInt64BE(BigInt(recordedAt));
  bytes.set(body, 8);
  return bytes;
};
const roundTrip = (offset: number, bytes: Uint8Array, recordedAt: number): void => {
  const line = formatLogLine({ offset, recordedAt, bytes });
  assert.doesNotMatch(line, /\n/, 'one line');
  const back = parseLogLine(line, 1);
  assert.deepEqual(
    [back.offset, Buffer.from(back.bytes).toString('hex')],
    [offset, Buffer.from(bytes).toString('hex')],
  );
};

test('any event, any other JSON, any bytes', () => {
  const time = fc.integer({ min: 0, max: 2 ** 45 });
  const offset = fc.integer({ min: 1, max: 2 ** 50 });
  const text = fc.oneof(
    fc.jsonValue().map((value) => JSON.stringify(value)),
    fc.jsonValue().map((value) => JSON.stringify({ type: 'x', data: value })),
    fc.jsonValue().map((value) => JSON.stringify({ type: 'x', data: value }, null, 2)),
    fc.string(),
    fc.constantFrom('{"b":1,"b":2}', '{"2":1,"1":2}', '{"a":1e400}', '{"a":-0}', '{"__proto__":{"a":1}}', '\ufeff{}'),
  );
  fc.assert(fc.property(offset, time, text, (at, when, body) => roundTrip(at, record(when, Buffer.from(body)), when)));
  fc.assert(fc.property(offset, time, fc.uint8Array(), (at, when, body) => roundTrip(at, record(when, body), when)));
  fc.assert(fc.property(offset, fc.uint8Array({ maxLength: 7 }), (at, bytes) => roundTrip(at, bytes, 0)));
});

test('a plain event is readable: no base64 beside it', () => {
  const bytes = record(5, Buffer.from('{"id":"a","type":"x"}'));
  assert.equal(
    formatLogLine({ offset: 3, recordedAt: 5, bytes }),
    '{"offset":3,"recordedAt":5,"event":{"id":"a","type":"x"}}',
  );
});

test('what is no line is refused with its number and a remedy', () => {
  for (const text of [
    '',
    'x',
    '[]',
    '{}',
    '{"offset":0}',
    '{"offset":1,"recordedAt":-1}',
    '{"offset":1,"recordedAt":1}',
    '{"offset":1,"recordedAt":1,"event":3}',
    '{"offset":1,"recordedAt":1,"bytes":"§"}',
  ])
    assert.throws(
      () => parseLogLine(text, 7),
      (error) =>
        error instanceof TendrilError &&
        error.code === 'LOG_LINE' &&
        /line 7: /.test(error.message) &&
        error.remedy !== undefined,
      text,
    );
});
