/** What is wrong with a command line is said before anything else happens: code, what was meant, what to type instead. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commands } from '../../src/cli/commands/index.ts';
import { here } from './support/here.ts';
import type { Ended } from './support/tendril.ts';

/** In this process: no server, no files. */
const cli = (...argv: string[]): Promise<Ended> => here(argv, { server: 'http://127.0.0.1:1' });

test('help of the whole and of each command: on stdout, exit 0, with usage; no command is an error', async () => {
  for (const argv of [['--help'], ['-h'], ['help']]) {
    const { code, out } = await cli(...argv);
    assert.equal(code, 0);
    for (const { name, summary } of commands) assert.ok(out.includes(`  ${name} `) && out.includes(summary), name);
  }
  for (const { name } of commands) {
    const asked = await cli(name, '--help');
    assert.equal(asked.code, 0);
    assert.match(asked.out, new RegExp(`^tendril ${name}: .*\n\nUsage: tendril ${name}`));
    assert.equal(asked.err, '');
    assert.deepEqual(await cli('help', name), asked);
    assert.deepEqual(await cli(name, 'a', 'b', '--nonsense', '-h'), asked, 'help wins over mistakes');
  }
  assert.equal((await cli()).code, 1);
});

test('every option of a command stands in its help', async () => {
  for (const { name, load } of commands) {
    const { options } = await load();
    const { out } = await cli(name, '--help');
    for (const [option, { short }] of Object.entries(options)) {
      if (option === 'help') continue;
      const named = out.includes(`--${option}`) || (short !== undefined && out.includes(`-${short} `));
      assert.ok(named, `tendril ${name} --help does not name --${option}`);
    }
  }
});

const WRONG: readonly (readonly [argv: readonly string[], words: RegExp])[] = [
  [['frobnicate'], /"frobnicate" is not a command/],
  [['aply', '-f', 'x'], /did you mean "apply"/],
  [['help', 'aply'], /did you mean "apply"/],
  [['apply'], /no document given/],
  [['apply', '-f'], /argument missing/],
  [['apply', '--fil', 'x'], /unknown option --fil \(did you mean --file\?\)/],
  [['apply', '--fill=x'], /unknown option --fill \(did you mean --file\?\)/],
  [['apply', '-x'], /Unknown option '-x'/],
  [['apply', '-f', 'x', '--wait', 'soon'], /--wait is "soon"; allowed: applied, acked/],
  [['apply', '-f', 'x', '--timeout', '0'], /--timeout is "0"; allowed: a whole number from 1 to 300/],
  [['apply', '-f', 'x', 'y'], /too many words: "y"/],
  [['apply', '-f', 'x', '-o', 'xml'], /-o xml is not a format; allowed: table, wide, json, yaml, name/],
  [['delete'], /nothing to delete/],
  [['delete', 'Route'], /names no document/],
  [['delete', 'Rute/x'], /"Rute" is not a kind; did you mean Route\?/],
  [['delete', 'Route/a/b/c'], /names no document; allowed: KIND, KIND\/NAME/],
  [['get'], /something is missing/],
  [['get', 'rout'], /did you mean Route/],
  [['get', 'Route//x'], /names no document/],
  [['get', 'endpoints'], /endpoints of which service/],
  [['get', 'services', 'a/b'], /usage: tendril get/],
  [['validate'], /no document given/],
  [['explain'], /something is missing/],
  [['explain', 'Rout'], /did you mean Route/],
  [['explain', 'Route.timout'], /no field "timout"; did you mean timeout\?/],
  [['events', '--limit', '0'], /--limit is "0"; allowed: a whole number from 1 to/],
  [['events', '--limit', ''], /--limit is ""/],
  [['events', '--from', '0'], /--from is "0"/],
  [['events', '--from', 'soon'], /--from is "soon"/],
  [['events', '--from', '-3'], /written --option=VALUE/],
  [['events', '--status', 'fine'], /--status is "fine"; allowed: applied, rejected/],
  [['events', '--follow', '--limit', '3'], /--follow has no --limit/],
  [['events', '--follow=yes'], /does not take an argument/],
  [['audit', '--since', 'soon'], /--since is "soon"; allowed: a duration/],
  [['audit', 'x'], /too many words/],
  [['graph', 'a.b', 'c.d'], /too many words/],
  [['graph', '--depth', '2'], /--depth needs a service/],
  [['graph', 'a.b', '--depth', '11'], /allowed: a whole number from 1 to 10/],
  [['graph', 'audit', 'a.b', 'c.d'], /too many words/],
  [['graph', 'diff', '--from', '1', '--two', '2'], /did you mean --to/],
  [['graph', 'export', '--as', 'svg'], /--as is "svg"; allowed: dot, json, dependency/],
  [['history'], /something is missing/],
  [['history', 'Route'], /history of which document\?/],
  [['history', 'service'], /names no service; allowed: service\/NAME\.NAMESPACE/],
  [['history', 'Route/a', '--limit', '0'], /--limit is "0"/],
  [['diff'], /--from is missing/],
  [['diff', 'Route', '--from', '1'], /names no document/],
  [['diff', '--from', '1', '-o', 'wide'], /--output is "wide"; allowed: table, json, yaml, name, patch/],
  [['diff', '--from', '1', '--kind', 'mesh'], /--kind is "mesh"; allowed: service, endpoint/],
  [['rollback'], /something is missing/],
  [['rollback', 'Route'], /roll back which document\?/],
  [['rollback', 'Route/a'], /--to is missing/],
  [['rollback', 'Route/a', '--to', '0'], /--to is "0"/],
  [['rollback', 'Route/a', '--to', '4'], /--reason is missing/],
  [['who'], /something is missing/],
  [['who', 'Route/shop/a', '--at', '1'], /who held Route\/shop\/a then is not recorded/],
  [['who', 'Route/shop'], /names no document; allowed: KIND\/NAMESPACE\/NAME/],
  [['graph', '--state', 'gone'], /--state is "gone"; allowed: active/],
  [['proxies', 'x'], /too many words/],
  [['proxies', '--state', 'gone'], /--state is "gone"; allowed: in-sync/],
  [['proxy'], /something is missing/],
  [['why', 'a'], /something is missing/],
  [['why', 'a', 'cart.shop'], /names no resource; allowed: TYPE\/NAME/],
  [['why', 'a', 'cds/'], /names no resource/],
  [['bootstrap'], /something is missing/],
  [['bootstrap', 'nginx'], /bootstrap nginx: allowed: envoy, grpc/],
  [['bootstrap', 'grpc'], /bootstrap grpc needs --service/],
  [['bootstrap', 'grpc', '--service', 'a.b'], /bootstrap grpc needs --xds/],
  [['replicas', 'add', 'x'], /replicas add x: unknown/],
  [['bootstrap', 'grpc', '--service', 'a.b', '--xds', 'c:1,d'], /--xds is "c:1,d"; allowed/],
  [['bootstrap', 'grpc', '--service', 'a', '--xds', 'c:1'], /--service is "a"; allowed/],
  [['bootstrap', 'grpc', '--service', 'a.b', '--xds', 'c:1', '--bind', '::1'], /--bind is for bootstrap envoy/],
  [['bootstrap', 'grpc', '--service', 'a.b', '--xds', 'c:1', '--service-account', 'A'], /--service-account is "A"/],
  [['bootstrap', 'grpc', '--service', 'a.b', '--xds', 'c:1', '--needs', 'all'], /--needs is for bootstrap envoy/],
  [
    ['bootstrap', 'envoy', '--service', 'a.b', '--xds', 'c:1', '--admin-port', '1', '--needs', 'some'],
    /--needs is "some"; allowed: all, or labels/,
  ],
  [['bootstrap', 'envoy'], /needs --service/],
  [['bootstrap', 'envoy', '--service', 'a.b'], /needs --xds/],
  [['bootstrap', 'envoy', '--service', 'a.b', '--xds', 'c'], /--xds is "c"; allowed: HOST:PORT/],
  [['bootstrap', 'envoy', '--service', 'a.b', '--xds', 'c:1'], /needs --admin-port/],
  [['bootstrap', 'envoy', '--service', 'a', '--xds', 'c:1', '--admin-port', '1'], /--service is "a"; allowed/],
  [['bootstrap', 'envoy', '--service', 'a.b', '--xds', 'c:1', '--admin-port', '99999'], /--admin-port is "99999"/],
  [['bootstrap', 'envoy', '--service', 'a.b', '--xds', 'c:1', '--admin-port', '1', '--bind', 'x'], /--bind is "x"/],
  [['verify', 'x'], /too many words/],
  [['bench'], /something is missing/],
  [['bench', 'measure'], /"measure" is not known/],
  [['bench', 'compare', 'a'], /something is missing/],
  [['snapshot', 'export'], /something is missing/],
  [['snapshot', 'save', 'x'], /"save" is neither export nor import/],
  [['snapshot', 'export', 'x', '--data', 'a', '--server', 'http://b'], /exclude each other/],
  [['recover'], /--from is missing/],
  [['recover', '--form', 'x'], /did you mean --from/],
  [['log', 'dump', '-', '--from', '0'], /--from is "0"/],
  [['log', 'print'], /"print" is neither dump nor import/],
  [['demo', '--interval', '0'], /--interval is "0"/],
  [['demo', '--no-envoi'], /did you mean --no-envoy/],
  [['check', 'x'], /too many words/],
  [['check', '--server', 'localhost:18001'], /--server is "localhost:18001"; allowed: a URL/],
  [['version', 'x'], /too many words/],
  [['serve', '--worker', '1'], /did you mean --workers/],
  [['serve', 'x'], /too many words/],
];

test('mistakes: exit 1, code USAGE, what is allowed, and a remedy, on stderr alone', async () => {
  for (const [argv, words] of WRONG) {
    const { code, out, err } = await cli(...argv);
    const line = `tendril ${argv.join(' ')}:\n${err}`;
    assert.equal(code, 1, line);
    assert.match(err, /^error USAGE: /, line);
    assert.match(err, words, line);
    assert.match(err, /\n {2}try: \S/, line);
    assert.equal(out, '', line);
  }
  const named = new Set(WRONG.map(([[name]]) => name));
  for (const { name } of commands) assert.ok(named.has(name), `no mistake with ${name} is tried`);
});

test('no server: code, address and how to start one', async () => {
  const asking = [
    ['get', 'all'],
    ['get', 'services'],
    ['events'],
    ['events', '--follow'],
    ['graph'],
    ['proxies'],
    ['proxy', 'x'],
    ['why', 'x', 'cds/y'],
    ['history', 'Route/x'],
    ['diff', '--from', '1'],
    ['rollback', 'Route/x', '--to', '1', '--reason', 'y'],
    ['check'],
    ['delete', 'Route/x'],
  ];
  for (const argv of asking) {
    const { code, out, err } = await cli(...argv);
    assert.equal(code, 1, argv.join(' '));
    assert.match(
      err,
      /^error SERVER_UNREACHABLE: cannot reach Tendril at http:\/\/127\.0\.0\.1:1 .*\n {2}try: .*tendril serve/,
    );
    assert.equal(out, '');
  }
});
