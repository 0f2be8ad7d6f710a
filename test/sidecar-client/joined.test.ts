/**
 * Client session and server session joined in memory: no socket, but the real bytes in both directions. Whatever is asked and changed,
 * in whatever order it arrives, the client ends with what the mesh says.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pair } from './joined-pair.ts';
import { joinedRounds } from './joined-rounds.ts';
import { isBad, ROAMING } from './joined-world.ts';

test('the client says what an Envoy says: first stream, question, second stream (C2, C3, C4)', () => {
  const pair = new Pair();
  pair.world.service('cart.shop:80', ['cart']);
  pair.connect();
  pair.settle();
  pair.run(pair.client.ask('cart'));
  pair.run(pair.client.ask('nobody.shop'));
  pair.settle();
  pair.run(pair.client.ask('cart'));
  pair.run(pair.client.ask('nobody.shop'));
  pair.run(pair.client.ask('cart.shop'));
  pair.log.push('reconnect');
  pair.connect();
  pair.settle();
  assert.deepEqual(pair.log, [
    '> Cluster node',
    '> Listener',
    '> RouteConfiguration sub outbound',
    '> VirtualHost',
    '< Cluster ',
    '> Cluster ack',
    '< Listener outbound@l-1',
    '> Listener ack',
    '< RouteConfiguration outbound@rc',
    '> RouteConfiguration ack',
    '< VirtualHost  removed outbound/-',
    '> VirtualHost ack',
    '> VirtualHost sub outbound/cart',
    '> VirtualHost sub outbound/nobody.shop',
    '< Cluster cart.shop:80@c-1',
    '> Cluster ack',
    '> ClusterLoadAssignment sub cart.shop:80',
    '< ClusterLoadAssignment cart.shop:80@e-1',
    '> ClusterLoadAssignment ack',
    '< VirtualHost outbound/cart.shop:80@h-1',
    '> VirtualHost ack',
    '< VirtualHost outbound/nobody.shop@neg-s1-1',
    '> VirtualHost ack',
    'reconnect',
    '> Cluster node irv cart.shop:80=c-1',
    '> Listener irv outbound=l-1',
    '> RouteConfiguration sub outbound irv outbound=rc',
    '> VirtualHost sub * outbound/cart outbound/nobody.shop irv outbound/cart.shop:80=h-1 outbound/nobody.shop=neg-s1-1',
    '> ClusterLoadAssignment sub cart.shop:80 irv cart.shop:80=e-1',
    '< Cluster ',
    '> Cluster ack',
    '< Listener ',
    '> Listener ack',
  ]);
  assert.deepEqual(pair.said, [
    'cart: outbound/cart.shop:80',
    'nobody.shop: nobody',
    'cart: outbound/cart.shop:80',
    'nobody.shop: nobody',
    'cart.shop: outbound/cart.shop:80',
  ]);
});

test('what is released is unsubscribed once, taken back by the server, and named by no later stream (C6)', () => {
  const pair = new Pair();
  pair.world.service('cart.shop:80');
  pair.connect();
  pair.run(pair.client.ask('cart.shop'));
  pair.settle();
  pair.log.length = 0;
  pair.run(pair.client.release('cart.shop'));
  pair.run(pair.client.release('cart.shop'));
  assert.equal(pair.client.virtualHostOf('cart.shop'), undefined);
  pair.settle();
  pair.log.push('reconnect');
  pair.connect();
  pair.settle();
  pair.log.push('ask');
  pair.run(pair.client.ask('cart.shop'));
  pair.settle();
  pair.check(['cart.shop']);
  assert.deepEqual(pair.log, [
    '> VirtualHost unsub outbound/cart.shop outbound/cart.shop:80',
    '< Cluster  removed cart.shop:80',
    '> Cluster ack',
    '> ClusterLoadAssignment unsub cart.shop:80',
    'reconnect',
    '> Cluster node',
    '> Listener irv outbound=l-1',
    '> RouteConfiguration sub outbound irv outbound=rc',
    '> VirtualHost',
    '< Cluster ',
    '> Cluster ack',
    '< Listener ',
    '> Listener ack',
    '< VirtualHost  removed outbound/-',
    '> VirtualHost ack',
    'ask',
    '> VirtualHost sub outbound/cart.shop',
    '< Cluster cart.shop:80@c-1',
    '> Cluster ack',
    '> ClusterLoadAssignment sub cart.shop:80',
    '< ClusterLoadAssignment cart.shop:80@e-1',
    '> ClusterLoadAssignment ack',
    '< VirtualHost outbound/cart.shop:80@h-1',
    '> VirtualHost ack',
  ]);
});

test('a refused response changes nothing, and is asked for no more (C1, C5)', () => {
  const pair = new Pair((type, _, version) => (type === 'vhds' && version === 'h-2' ? 'no' : undefined));
  pair.world.service('cart.shop:80');
  pair.connect();
  pair.run(pair.client.ask('cart.shop'));
  pair.settle();
  pair.world.service('cart.shop:80');
  pair.settle();
  assert.equal(pair.client.versions('vhds').get('outbound/cart.shop:80'), 'h-1');
  assert.equal(pair.client.versions('cds').get('cart.shop:80'), 'c-2');
  assert.equal(pair.log.filter((line) => line.includes('nack no')).length, 1);
  pair.world.service('cart.shop:80');
  pair.settle();
  pair.check(['cart.shop']);
});

const spoilt = (): Pair => new Pair((type, name, version) => (isBad(version) ? `unusable ${type} ${name}` : undefined));

test('a domain moves to a virtual host that is refused: both stay; when the operator has corrected it both come (S7)', () => {
  const pair = spoilt();
  pair.world.service('a.shop:80', [ROAMING]);
  pair.world.service('b.shop:80');
  pair.connect();
  for (const host of ['a.shop', 'b.shop']) pair.run(pair.client.ask(host));
  pair.settle();
  pair.world.service('a.shop:80');
  pair.world.service('b.shop:80', [ROAMING], ['vhds']);
  pair.settle();
  assert.equal(pair.client.virtualHostOf(ROAMING), 'outbound/a.shop:80');
  pair.world.correct();
  pair.settle();
  pair.check(['a.shop', 'b.shop', ROAMING]);
});

test('the same when the refused one goes instead', () => {
  const pair = spoilt();
  pair.world.service('a.shop:80', [ROAMING]);
  pair.connect();
  for (const host of ['a.shop', 'b.shop']) pair.run(pair.client.ask(host));
  pair.settle();
  pair.world.service('a.shop:80');
  pair.world.service('b.shop:80', [ROAMING], ['vhds']);
  pair.settle();
  pair.world.gone('b.shop:80');
  pair.settle();
  pair.check(['a.shop', 'b.shop', ROAMING]);
});

test('a domain that a server of another stream has lent: refused for it, and taken when it has been given up (S7)', () => {
  const pair = spoilt();
  pair.world.service('b.shop:80', [ROAMING]);
  pair.connect();
  pair.run(pair.client.ask(ROAMING));
  pair.settle();
  pair.world.service('b.shop:80', [], ['vhds']);
  pair.restart();
  pair.world.service('a.shop:80', [ROAMING]);
  pair.settle();
  assert.ok(pair.log.some((line) => line.includes('nack Only unique values for domains')));
  pair.world.correct();
  pair.settle();
  pair.check([ROAMING]);
});

test('released while it begins to answer another host: it comes again for that one', () => {
  const pair = new Pair();
  pair.world.service('c.shop:80');
  pair.connect();
  for (const host of ['c.shop', ROAMING]) pair.run(pair.client.ask(host));
  pair.settle();
  pair.world.service('c.shop:80', [ROAMING]);
  pair.release('c.shop');
  pair.stepUp();
  pair.settle();
  pair.check([ROAMING]);
});

test('a host that needed no question stays when the host goes for which its virtual host came, and is asked for when that goes (C2)', () => {
  const pair = new Pair();
  pair.world.service('cart.shop:80');
  pair.connect();
  pair.run(pair.client.ask('cart.shop'));
  pair.settle();
  pair.run(pair.client.ask('cart.shop:80'));
  pair.release('cart.shop');
  assert.equal(pair.client.virtualHostOf('cart.shop:80'), 'outbound/cart.shop:80');
  pair.settle();
  pair.check(['cart.shop:80']);
  pair.run(pair.client.ask('cart.shop'));
  pair.log.length = 0;
  pair.world.gone('cart.shop:80');
  pair.settle();
  assert.ok(pair.log.includes('> VirtualHost sub outbound/cart.shop'), pair.log.join('\n'));
  pair.world.service('cart.shop:80');
  pair.settle();
  pair.check(['cart.shop', 'cart.shop:80']);
});

test('released by the very name of its virtual host while that answers another host, whose domain then moves (C5, C6)', () => {
  const pair = new Pair();
  pair.world.service('b.shop:80', [ROAMING]);
  pair.connect();
  for (const host of ['b.shop:80', ROAMING]) pair.run(pair.client.ask(host));
  pair.settle();
  pair.release('b.shop:80');
  pair.world.service('b.shop:80');
  pair.world.service('a.shop:80', [ROAMING]);
  pair.stepUp();
  pair.settle();
  pair.check([ROAMING]);
});

test('fuzzed together: any order of questions, changes, refusals, corrections, messages, reconnects and servers ends the same', (context) =>
  joinedRounds(context, 120));
