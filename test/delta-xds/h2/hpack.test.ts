/** The decoder of header blocks against RFC 7541: its examples, and every malformed form. The numbers are those of decoder.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeHeaders, HpackDecoder, HpackError } from '../../../src/delta-xds/h2/hpack/index.ts';

const MANY = 1 << 20;
const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(/\s/g, ''), 'hex');
const decoder = (maxTableBytes = 4_096, maxListBytes = MANY): HpackDecoder =>
  new HpackDecoder({ maxTableBytes, maxListBytes });
const refused = (hex: string, why: RegExp, on = decoder()): void =>
  assert.throws(
    () => on.decode(bytes(hex)),
    (error) => error instanceof HpackError && why.test(error.message),
    `${hex} was not refused`,
  );

interface Example {
  readonly hex: string;
  /** `name: value` in lines. */
  readonly text: string;
  readonly tableBytes: number;
}

const REQUEST = ':method: GET\n:scheme: http\n:path: /\n:authority: www.example.com';
const REQUESTS = [
  REQUEST,
  `${REQUEST}\ncache-control: no-cache`,
  ':method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\ncustom-key: custom-value',
];
const COOKIE = 'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1';
const RESPONSE = 'cache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com';
const RESPONSES = [
  `:status: 302\n${RESPONSE}`,
  `:status: 307\n${RESPONSE}`,
  `:status: 200\n${RESPONSE.replace('13:21', '13:22')}\ncontent-encoding: gzip\n${COOKIE}`,
];

const examples = (hexes: readonly string[], texts: readonly string[], sizes: readonly number[]): Example[] =>
  hexes.map((hex, at) => ({ hex, text: texts[at] ?? '', tableBytes: sizes[at] ?? 0 }));

/** RFC 7541, appendix C: each row is one connection. `table`: the table's size is made that first. */
const APPENDIX_C: readonly { readonly part: string; readonly table?: number; readonly blocks: readonly Example[] }[] = [
  {
    part: 'C.2.1',
    blocks: examples(
      ['400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572'],
      ['custom-key: custom-header'],
      [55],
    ),
  },
  { part: 'C.2.2', blocks: examples(['040c 2f73 616d 706c 652f 7061 7468'], [':path: /sample/path'], [0]) },
  { part: 'C.2.3', blocks: examples(['1008 7061 7373 776f 7264 0673 6563 7265 74'], ['password: secret'], [0]) },
  { part: 'C.2.4', blocks: examples(['82'], [':method: GET'], [0]) },
  {
    part: 'C.3',
    blocks: examples(
      [
        '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
        '8286 84be 5808 6e6f 2d63 6163 6865',
        '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
      ],
      REQUESTS,
      [57, 110, 164],
    ),
  },
  {
    part: 'C.4',
    blocks: examples(
      [
        '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
        '8286 84be 5886 a8eb 1064 9cbf',
        '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
      ],
      REQUESTS,
      [57, 110, 164],
    ),
  },
  {
    part: 'C.5',
    table: 256,
    blocks: examples(
      [
        `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d
         546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
        '4803 3330 37c1 c0bf',
        `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f
         6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b
         2076 6572 7369 6f6e 3d31`,
      ],
      RESPONSES,
      [222, 222, 215],
    ),
  },
  {
    part: 'C.6',
    table: 256,
    blocks: examples(
      [
        `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7
         8f0b 97c8 e9ae 82ae 43d3`,
        '4883 640e ffc1 c0bf',
        `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335
         dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
      ],
      RESPONSES,
      [222, 222, 215],
    ),
  },
];

for (const { part, table, blocks } of APPENDIX_C)
  test(`RFC 7541, ${part}`, () => {
    const on = decoder(table);
    if (table !== undefined) {
      on.settingsAcknowledged();
      assert.deepEqual(on.decode(bytes('3fe101')), { headers: [], tooLarge: false });
    }
    for (const { hex, text, tableBytes } of blocks) {
      const { headers, tooLarge } = on.decode(bytes(hex));
      assert.equal(headers.map((field) => field.join(': ')).join('\n'), text);
      assert.equal(tooLarge, false);
      assert.equal(on.tableBytes, tableBytes);
    }
  });

test('integers: up to four bytes after the first, and no more', () => {
  const named = (integer: string): string => decoder().decode(bytes(`${integer} 0161`)).headers[0]?.[0] ?? '';
  assert.equal(named('0f00'), 'accept-charset');
  assert.equal(named('0f808000'), 'accept-charset');
  assert.equal(named('0f80808000'), 'accept-charset');
  refused('0f ffffff7f 0161', /in no header table/);
  refused('0f 80808080 00 0161', /integer .* too long/);
  refused('0f ffffffff 7f 0161', /integer .* too long/);
  refused('00 7f ffffffff 0f', /integer .* too long/);
  refused('3f ffffffff ff', /integer .* too long/);
  refused('00 7f ffffff7f', /longer than its header block/);
});

test('indexes: 0, and those that are in no table', () => {
  assert.deepEqual(decoder().decode(bytes('bd')).headers, [['www-authenticate', '']]);
  refused('80', /in no header table/);
  refused('be', /in no header table/);
  refused('ff8000', /in no header table/);
  refused('7f00 0161', /in no header table/);
  refused('0f2f 0161', /in no header table/);
  const on = decoder();
  on.decode(bytes('40 0161 0162'));
  assert.deepEqual(on.decode(bytes('be')).headers, [['a', 'b']]);
  refused('bf', /in no header table/, on);
});

test('blocks that end within a field', () => {
  const whole = bytes(APPENDIX_C.at(-1)?.blocks[0]?.hex ?? '');
  let seen = 0;
  for (let length = 1; length < whole.length; length++) {
    try {
      decoder().decode(whole.subarray(0, length));
    } catch (error) {
      assert.ok(error instanceof HpackError, String(error));
      seen++;
    }
  }
  // Only after its first three fields may it end.
  assert.equal(seen, whole.length - 1 - 3);
  for (const hex of [
    '40',
    '4001',
    '400161',
    '40016101',
    '00',
    '0001',
    '10',
    '01',
    '0f',
    '7f',
    'ff',
    '3f',
    '41',
    '4183',
  ])
    refused(hex, /ends within a field|longer than its header block/);
});

test('Huffman strings: EOS, padding of eight bits, padding that is not of ones', () => {
  const value = (hex: string): string => decoder().decode(bytes(`0001 61 ${hex}`)).headers[0]?.[1] ?? '';
  // `0` is 00000, `&` is 11111000: padding of three bits, and of none.
  assert.equal(value('81 07'), '0');
  assert.equal(value('81 f8'), '&');
  assert.equal(value('80'), '');
  // Codes of 14 and of 30 bits.
  assert.equal(value('82 fff7'), '}');
  assert.equal(value('84 ffff fff3'), '\n');
  refused('000161 81 00', /padding/);
  refused('000161 81 06', /padding/);
  refused('000161 81 ff', /padding/);
  refused('000161 82 07ff', /padding/);
  refused('000161 82 f8ff', /padding/);
  refused('000161 83 ffffff', /padding/);
  refused('000161 84 ffffffff', /EOS/);
  refused('000161 84 fffffffc', /EOS/);
  refused('000161 85 07ffffffff', /EOS/);
});

test('values are bytes: those above 0x7f are latin1, and names are not judged', () => {
  assert.deepEqual(decoder().decode(bytes('00 01 e9 03 00 80 ff  00 00 00  00 01 41 00')).headers, [
    ['é', '\0\x80ÿ'],
    ['', ''],
    ['A', ''],
  ]);
});

test('invariant 1: size updates only before the first field, up to the limit in force', () => {
  const on = decoder(512);
  // Before our settings are acknowledged 4,096 holds.
  on.decode(bytes('3fe11f'));
  refused('3fe21f', /larger than what the settings allow/, decoder(512));
  refused('3fe21f', /larger than what the settings allow/, decoder(8_192));
  on.decode(bytes('20 3fe103'));
  on.settingsAcknowledged();
  on.decode(bytes('3fe103 82'));
  refused('3fe203', /larger than what the settings allow/, on);
  refused('82 20', /after a field/);
  refused('82 3f', /after a field/);
  const grown = decoder(8_192);
  grown.settingsAcknowledged();
  assert.equal(grown.decode(bytes('3fe13f 82')).headers.length, 1);
});

test('invariant 1: a size update, and settings that make the table smaller, evict the oldest fields', () => {
  const on = decoder(68);
  on.decode(bytes('40 0161 0161  40 0162 0162  40 0163 0163'));
  assert.equal(on.tableBytes, 102);
  on.settingsAcknowledged();
  assert.equal(on.tableBytes, 68);
  assert.deepEqual(on.decode(bytes('3f25 be bf')).headers, [
    ['c', 'c'],
    ['b', 'b'],
  ]);
  refused('c0', /in no header table/, on);
  on.decode(bytes('3f03'));
  assert.equal(on.tableBytes, 34);
  on.decode(bytes('20'));
  assert.equal(on.tableBytes, 0);
  refused('be', /in no header table/, on);
});

test('invariant 1: after settings that make the table smaller a block should begin with a size update (RFC 9113, section 4.3.1); one that uses no table is forgiven', () => {
  const on = decoder(0);
  on.decode(bytes('40 0161 0161'));
  on.settingsAcknowledged();
  assert.equal(on.decode(bytes('82')).headers.length, 1);
  refused('be', /in no header table/, on);
  assert.equal(on.decode(bytes('20 82')).headers.length, 1);
});

test('invariant 1: with a table of 0 bytes nothing is kept, and names may come from a field that is being evicted', () => {
  const none = decoder(0);
  none.settingsAcknowledged();
  assert.deepEqual(none.decode(bytes('20 40 0161 0162')).headers, [['a', 'b']]);
  assert.equal(none.tableBytes, 0);
  refused('be', /in no header table/, none);
  const one = decoder(34);
  one.settingsAcknowledged();
  one.decode(bytes('3f03 40 0161 0162'));
  assert.deepEqual(one.decode(bytes('7e 0163')).headers, [['a', 'c']]);
  assert.deepEqual(one.decode(bytes('be')).headers, [['a', 'c']]);
  // One that is too large empties the table.
  assert.deepEqual(one.decode(bytes('7e 026363')).headers, [['a', 'cc']]);
  assert.equal(one.tableBytes, 0);
});

test('invariants 2 and 4: what exceeds the bound is decoded for the table, and not kept', () => {
  const on = decoder(4_096, 2 * 34);
  assert.deepEqual(on.decode(bytes('40 0161 0161  40 0162 0162  40 0163 0163  40 0164 00')), {
    headers: [
      ['a', 'a'],
      ['b', 'b'],
    ],
    tooLarge: true,
  });
  assert.deepEqual(on.decode(bytes('be bf')), {
    headers: [
      ['d', ''],
      ['c', 'c'],
    ],
    tooLarge: false,
  });
  refused('be be be 80', /in no header table/, on);
});

test('invariant 2: a bomb of references to a large field gives out no more than the bound', () => {
  const on = decoder(4_096, 8_192);
  const large = 'x'.repeat(3_000);
  on.decode(Buffer.concat([bytes('40 0161'), bytes('7f b916'), Buffer.from(large)]));
  const { headers, tooLarge } = on.decode(Buffer.alloc(16_384, 0xbe));
  assert.equal(tooLarge, true);
  assert.deepEqual(headers, [
    ['a', large],
    ['a', large],
  ]);
  // The same with fields of no length: 32 bytes each.
  const small = decoder(4_096, 8_192);
  small.decode(bytes('40 00 00'));
  assert.equal(small.decode(Buffer.alloc(16_384, 0xbe)).headers.length, 8_192 / 32);
});

test('encodeHeaders: entries and names of the static table, else literals; nothing for the table of the client', () => {
  assert.equal(encodeHeaders([[':status', '200']]).toString('hex'), '88');
  assert.equal(encodeHeaders([[':status', '415']]).toString('hex'), '0803343135');
  assert.equal(encodeHeaders([['content-type', 'a']]).toString('hex'), '0f100161');
  assert.equal(encodeHeaders([['x', '']]).toString('hex'), '00017800');
  const long = 'v'.repeat(20_000);
  const fields = [['grpc-message', long] as const, ['grpc-status', '0'] as const];
  const on = decoder();
  assert.deepEqual(on.decode(encodeHeaders(fields)).headers, fields);
  assert.equal(on.tableBytes, 0);
});
