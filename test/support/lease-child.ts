/**
 * An application of its own process that registers an endpoint of cart.shop and beats until it is killed.
 *
 * Arguments: id, holder, life of the lease in ms, URLs of the control planes. Writes one line for each state: `registered healthy`,
 * `taken undefined`; ends in order when its standard input does.
 */
import { register } from '../../src/sidecar-client/index.ts';

const [id = '', holder = '', leaseMs = '', ...admin] = process.argv.slice(2);

const registration = register({
  admin,
  service: 'cart',
  namespace: 'shop',
  port: 80,
  endpoint: id,
  holder,
  address: '127.0.0.1',
  leaseMs: Number(leaseMs),
});
registration.on((state) => process.stdout.write(`${state.is} ${state.health}\n`));
process.stdin.resume().on('end', () => void registration.close());
