/** Options of a simulation that cannot be, and the mesh and changes that a seed makes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changeOf, churnOf, type MeshOptions, markerOf, SimMesh } from '../../bench/sim/mesh.ts';
import { checkFiles, optionsOf } from '../../bench/sim/options.ts';
import { PROFILES } from '../../bench/sim/profiles.ts';
import { TendrilError } from '../../src/model/index.ts';

const refused = (line: string): TendrilError => {
  try {
    optionsOf(line.split(' '));
  } catch (error) {
    if (error instanceof TendrilError) return error;
    throw error;
  }
  return assert.fail(`${line} was accepted`);
};

test('options that cannot be are refused with what is allowed and a remedy', () => {
  const cases: readonly (readonly [line: string, said: RegExp])[] = [
    ['--sidecars 0', /--sidecars is "0"; allowed: a whole number from 1/],
    ['--sidecars=-5', /--sidecars is "-5"/],
    ['--services many', /--services is "many"/],
    ['--duration 1.5', /--duration is "1.5"/],
    ['--deps 20 --services 10', /--deps 20 is more than --services 10/],
    ['--profile istio', /there are default, boutique/],
    ['--mode half', /allowed: on-demand, full-mesh/],
    ['--sidecar 5', /did you mean --sidecars/],
    ['--churn', /argument missing/],
    ['--sidecars -3', /is ambiguous; a value that begins with a dash/],
    ['--settle 1500ms', /a whole number of seconds from 0 to 3600, or 30s, 5m, 1h/],
    ['--profile reconnect-storm --log memory', /nothing after kill -9/],
    ['--churn 10000 --duration 86400', /no addresses of their own/],
  ];
  for (const [line, said] of cases) {
    const error = refused(line);
    assert.equal(error.code, 'USAGE');
    assert.match(error.message, said);
    assert.equal(
      error.remedy !== undefined && error.remedy === 'tendril bench sim --profile list',
      line.includes('istio'),
    );
    assert.ok(error.remedy, line);
  }
});

test('flags override the profile, the profile the base', () => {
  const { options } = optionsOf(['--profile', 'istio-1000-2000', '--churn', '3', '--duration', '7s']);
  assert.deepEqual([options.sidecars, options.services, options.churn, options.durationS], [2_000, 1_000, 3, 7]);
  assert.equal(optionsOf(['--duration', '2m']).options.durationS, 120);
  assert.equal(optionsOf(['--mode', 'full-mesh']).options.sidecars, 50);
  for (const { name } of PROFILES) optionsOf(['--profile', name]);
});

test('more sidecars than open files: which limit, and how it is raised', () => {
  const { options } = optionsOf(['--sidecars', '5000', '--clients', '2', '--workers', '1']);
  const said = (limits: { soft: number; hard: number }): TendrilError => {
    try {
      checkFiles(options, limits);
    } catch (error) {
      if (error instanceof TendrilError) return error;
    }
    return assert.fail('it was accepted');
  };
  assert.match(
    said({ soft: 1_024, hard: 20_000 }).message,
    /5302 open files in the control plane, 300 of them for itself.*\(ulimit -n\) is 1024/,
  );
  assert.match(said({ soft: 1_024, hard: 20_000 }).remedy ?? '', /ulimit -n 5302/);
  assert.match(said({ soft: 1_024, hard: 4_096 }).remedy ?? '', /the hard limit is 4096 too/);
  checkFiles(options, { soft: 6_000, hard: 6_000 });
});

test('the number of sidecars for a connection that is advised fits, whatever was asked for before', () => {
  for (const [sidecars, perConnection, soft] of [
    [2_000, 1, 400],
    [2_000, 10, 330],
    [150, 1, 310],
  ] as const) {
    const { options } = optionsOf(['--sidecars', String(sidecars), '--per-conn', String(perConnection)]);
    const limits = { soft, hard: soft };
    assert.throws(
      () => checkFiles(options, limits),
      (error) => {
        const advised = Number(/--per-conn (\d+)/.exec((error as TendrilError).remedy ?? '')?.[1]);
        checkFiles({ ...options, perConnection: advised }, limits);
        return advised > perConnection;
      },
    );
  }
  const { options } = optionsOf(['--sidecars', '20']);
  assert.throws(
    () => checkFiles(options, { soft: 256, hard: 256 }),
    (error) => error instanceof TendrilError && !/per-conn/.test(error.remedy ?? ''),
    'what no sharing helps is not advised to be shared',
  );
});

test('more connections than local ports: which limit, and how many sidecars must share one', () => {
  const { options } = optionsOf(['--sidecars', '30000', '--probes', '0']);
  const limits = { soft: 100_000, hard: 100_000 };
  assert.throws(
    () => checkFiles(options, limits, 28_232),
    (error) =>
      error instanceof TendrilError &&
      error.code === 'USAGE' &&
      /30000 local ports, and the machine has 28232/.test(error.message) &&
      /--per-conn 2/.test(error.remedy ?? ''),
  );
  checkFiles({ ...options, perConnection: 2 }, limits, 28_232);
  checkFiles({ ...options, sidecars: 28_232 }, limits, 28_232);
});

const MESH: MeshOptions = { services: 40, endpoints: 4, deps: 6, hot: 1, seed: 3, shape: 'uniform' };
const first = (mesh: SimMesh, count: number): (readonly [number, number])[] => {
  const draws: (readonly [number, number])[] = [];
  for (const draw of churnOf(mesh)) {
    draws.push(draw);
    if (draws.length === count) break;
  }
  return draws;
};

test('the same seed makes the same mesh and the same changes, another seed others', () => {
  const [a, b, c] = [new SimMesh(MESH), new SimMesh(MESH), new SimMesh({ ...MESH, seed: 4 })];
  assert.equal(a.hash(), b.hash());
  assert.notEqual(a.hash(), c.hash());
  assert.deepEqual(first(a, 100), first(b, 100));
  assert.notDeepEqual(first(a, 100), first(c, 100));
});

test('everybody has its dependencies, the hot one among them, and steady changes leave that out', () => {
  const mesh = new SimMesh(MESH);
  for (const deps of mesh.deps) {
    assert.equal(new Set(deps).size, MESH.deps);
    assert.ok(deps.includes(0));
  }
  assert.equal(mesh.holders(100)[0], 100);
  for (const [service, endpoint] of first(mesh, 500))
    assert.ok(service > 0 && service < 40 && endpoint >= 0 && endpoint < 4);
});

test('M1: an address names its change', () => {
  for (const change of [1, 255, 256, 65_536, 2 ** 24 - 1]) assert.equal(changeOf(markerOf(change)), change);
  assert.equal(changeOf('10.0.0.1'), undefined);
  const mesh = new SimMesh(MESH);
  mesh.move(2, 1, 77);
  assert.ok(mesh.endpointsOf(2).includes(markerOf(77)));
});
