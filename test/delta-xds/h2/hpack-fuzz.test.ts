/** Any bytes, and any headers, through the decoder (the numbers are those of decoder.ts). A failing run prints its seed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeHeaders, type HeaderField, HpackDecoder, HpackError } from '../../../src/delta-xds/h2/hpack/index.ts';

const MAX_LIST = 1_024;
const listBytes = (headers: readonly HeaderField[]): number =>
  headers.reduce((bytes, [name, value]) => bytes + name.length + value.length + 32, 0);

/** A literal whose value is any bytes, as they are or as a Huffman string (which they seldom are). */
const literal = fc
  .tuple(fc.constantFrom(0x00, 0x10, 0x40), fc.uint8Array({ maxLength: 20 }), fc.boolean())
  .map(([kind, bytes, huffman]) =>
    Buffer.concat([Buffer.from([kind, 1, 97, (huffman ? 128 : 0) | bytes.length]), bytes]),
  );
/** Whole fields, so that what is random meets tables that hold something. */
const whole = fc
  .constantFrom('4001610130', '400161026262', '7e0163', '5f80', '5f8107', '82', 'be')
  .map((hex) => Buffer.from(hex, 'hex'));
const indexed = fc.integer({ min: 0x80, max: 0xff }).map((byte) => Uint8Array.of(byte));
const piece = fc.oneof(
  { weight: 16, arbitrary: whole },
  { weight: 2, arbitrary: literal },
  { weight: 1, arbitrary: indexed },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 12 }) },
);
const updates = fc.constantFrom('', '', '20', '3f03', '203f27', '3fe103').map((hex) => Buffer.from(hex, 'hex'));
const block = fc
  .tuple(updates, fc.array(piece, { maxLength: 6 }))
  .map(([first, pieces]) => Buffer.concat([first, ...pieces]));

test('invariants 1, 2 and 3: random blocks throw nothing but HpackError, and exceed no bound', () => {
  let decoded = 0;
  fc.assert(
    fc.property(
      fc.array(block, { maxLength: 8 }),
      fc.nat(8),
      fc.constantFrom(0, 70, 512),
      (blocks, acknowledged, table) => {
        const decoder = new HpackDecoder({ maxTableBytes: table, maxListBytes: MAX_LIST });
        for (const [at, bytes] of blocks.entries()) {
          if (at === acknowledged) decoder.settingsAcknowledged();
          try {
            const { headers, tooLarge } = decoder.decode(bytes);
            assert.ok(listBytes(headers) <= MAX_LIST);
            assert.ok(tooLarge || bytes.length === 0 || headers.every((field) => field.length === 2));
            decoded++;
          } catch (error) {
            assert.ok(error instanceof HpackError, String(error));
            break;
          } finally {
            assert.ok(decoder.tableBytes <= (at >= acknowledged ? table : 4_096));
          }
        }
      },
    ),
    { numRuns: 800, verbose: 1 },
  );
  assert.ok(decoded > 200, `only ${decoded} blocks were decoded: the fuzzer makes nothing but refuse`);
});

test('what encodeHeaders writes decodes to the same', () => {
  const text = fc
    .array(fc.integer({ min: 0, max: 255 }), { maxLength: 200 })
    .map((codes) => String.fromCharCode(...codes));
  const known = fc.constantFrom(':status', 'content-type', 'via', 'grpc-status', 'www-authenticate');
  const field = fc.tuple(fc.oneof(known, text), fc.oneof(text, fc.constantFrom('200', '404', '', '0')));
  fc.assert(
    fc.property(fc.array(field, { maxLength: 12 }), (fields) => {
      const decoder = new HpackDecoder({ maxTableBytes: 0, maxListBytes: 1 << 20 });
      assert.deepEqual(decoder.decode(encodeHeaders(fields)), { headers: fields, tooLarge: false });
      assert.equal(decoder.tableBytes, 0);
    }),
    { numRuns: 500, verbose: 1 },
  );
});
