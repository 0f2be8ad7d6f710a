/** What the agent says about the registration: one line for each change, with code and remedy where something is wrong. */
import type { Drained, RegistrationState } from '../sidecar-client/index.ts';
import type { Saying } from './agent.ts';

const named = ({ endpoint, service, address }: RegistrationState): string =>
  `endpoint ${endpoint} of ${service}${address === undefined ? '' : ` at ${address}`}`;

/** Of one state, the line; undefined: nothing that anybody waits for. */
const lineOf = (state: RegistrationState): Saying | undefined => {
  switch (state.is) {
    case 'registered':
      return {
        level: state.health === 'healthy' ? 'info' : 'warn',
        text: `${named(state)} is registered, ${state.health}, lease ${state.leaseMs / 1_000} s`,
      };
    case 'unreachable':
      return {
        level: 'warn',
        code: state.error?.code ?? 'SERVER_UNREACHABLE',
        text: `${state.error?.message ?? 'the control plane does not answer'}; it is tried again`,
      };
    case 'refused':
      return {
        level: 'error',
        code: state.error?.code ?? 'REGISTER_OPTIONS',
        text: `the control plane refuses ${named(state)}: ${state.error?.message ?? ''}`,
      };
    case 'taken':
      return {
        level: 'error',
        code: 'LEASE_TAKEN',
        text:
          `${named(state)} is held by another process (${state.takenBy ?? 'unknown'}), which registered it later: ` +
          'this one is not registered any more, and sends nothing. Give each its own --endpoint',
      };
    default:
      return undefined;
  }
};

/** A listener that says what is new. */
export const sayRegistration = (say: (saying: Saying) => void): ((state: RegistrationState) => void) => {
  let before = '';
  let obstacle: string | undefined;
  return (state) => {
    if (state.obstacle !== obstacle && state.obstacle !== undefined) say({ level: 'warn', text: state.obstacle });
    obstacle = state.obstacle;
    const line = lineOf(state);
    if (line === undefined) return;
    const key = `${state.is} ${state.health} ${state.is === 'registered' ? '' : state.error?.code}`;
    if (key === before) return;
    before = key;
    say(line);
  };
};

const list = (names: readonly string[]): string =>
  names.length > 3 ? `${names.slice(0, 3).join(', ')} and more` : names.join(', ');

export const sayDrained = (
  { withdrawn, remains, acknowledged, waiting, silent, tookMs }: Drained,
  { takenBy, renewedAgoMs }: Pick<RegistrationState, 'takenBy' | 'renewedAgoMs'>,
): string => {
  if (takenBy !== undefined) return 'the endpoint belongs to another process: there is nothing to withdraw';
  if (remains)
    return renewedAgoMs === undefined
      ? 'no control plane answered: should the registration have arrived, it goes when its lease runs out'
      : 'the endpoint was not withdrawn, because no control plane answered: it goes when its lease runs out';
  if (!withdrawn) return 'the endpoint is not registered: there is nothing to withdraw';
  if (acknowledged) return `the endpoint is withdrawn, and no sidecar holds it any more (${tookMs} ms)`;
  const who = [
    ...(waiting.length === 0 ? [] : [`${list(waiting)} had not acknowledged`]),
    ...(silent.length === 0 ? [] : [`${list(silent)} did not answer`]),
  ];
  return `the endpoint is withdrawn; after ${tookMs} ms ${who.join(', and ')}`;
};
