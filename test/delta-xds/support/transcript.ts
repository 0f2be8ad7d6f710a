/**
 * Transcripts: conversations of one session, as text. Lines of the author: `#` comment, `mesh …`, `> …` (the client), `tick`, `hold`,
 * `drained`, `reconnect`, `renewable` (generations can be renewed), `streams` (age of the longest, ms, or `unknown`), `replica` (another one). Lines of the session: `< …` (responses), `! …` (other effects); they are made anew when
 * UPDATE_TRANSCRIPTS=1 and reviewed as a diff.
 *
 *   > cds sub a b unsub c irv x=v1 ack 3          < cds 4: a@v1, b@v2; removed c
 *   sotw                                          (from here on streams of the state of the world)
 *   > cds names a b version 17 ack 3              < cds 4 (17): a@v1, b@v2
 *   > vhds nack 5 invalid regex                   < vhds 6: outbound/a@v1 aliases a, a:80 · outbound/nx (nothing) neg-t-1
 */

import { noticesOf } from '../../../src/delta-xds/change.ts';
import {
  aliasesOf,
  type ChangeItem,
  DEFAULT_SESSION_LIMITS,
  type Effect,
  type NodeView,
  Session,
  type SessionLimits,
  SharedShapes,
  SotwSession,
  type StreamSession,
  typeUrlOf,
  zeroSessionCounters,
} from '../../../src/delta-xds/index.ts';
import { RenewalMemory } from '../../../src/delta-xds/renewal-memory.ts';
import type { SessionOptions } from '../../../src/delta-xds/session-state.ts';
import { GONE } from '../../../src/delta-xds/shapes.ts';
import type { DeltaRequest, StateRequest } from '../../../src/proto/index.ts';
import { assignmentBody, clusterBody, listenerBody, MemoryMesh, nodeOf, virtualHostBody } from './memory-mesh.ts';

const CALLER = 'app.shop';

class Conversation {
  readonly #mesh = new MemoryMesh();
  #shapes = new SharedShapes();
  #limits: SessionLimits = DEFAULT_SESSION_LIMITS;
  #session: StreamSession;
  #protocol: 'delta' | 'sotw' = 'delta';
  #view: NodeView;
  #now = 0;
  #streams = 0;
  #memory = new RenewalMemory();
  #longest: number | undefined;
  readonly lines: string[] = [];

  constructor() {
    this.#view = this.#mesh.attach(nodeOf(CALLER));
    this.#session = this.#open();
  }

  #open(): StreamSession {
    this.#shapes = new SharedShapes();
    this.#view = this.#mesh.attach(nodeOf(CALLER));
    const options: SessionOptions = {
      view: this.#view,
      shapes: this.#shapes,
      placeholder: (type, name) => this.#mesh.placeholder(type, name),
      limits: this.#limits,
      counters: zeroSessionCounters(),
      tag: `t${++this.#streams}`,
      waitingBeside: () => 0,
      renewal: { memory: this.#memory, longStream: () => this.#longest },
    };
    return this.#protocol === 'delta' ? new Session(options) : new SotwSession(options);
  }

  /** Carries out one line of the author and writes down what the session does. */
  say(line: string): void {
    this.lines.push(line);
    const [word = '', ...rest] = line.trim().split(/\s+/);
    switch (word) {
      case '':
      case '#':
        return;
      case 'mesh':
        this.#change(rest.join(' '));
        return;
      case '>':
        this.#show(
          this.#session.onRequest(this.#protocol === 'delta' ? requestOf(rest) : stateRequestOf(rest), this.#now),
        );
        return;
      case 'tick':
        this.#now += Number(rest[0]);
        this.#show(this.#session.onTick(this.#now));
        return;
      case 'hold':
        this.#session.hold();
        return;
      case 'drained':
        this.#show(this.#session.onDrained(this.#now));
        return;
      case 'limit':
        this.#limits = { ...this.#limits, [rest[0] ?? '']: Number(rest[1]) };
        this.#session = this.#open();
        return;
      case 'reconnect':
        this.#session = this.#open();
        return;
      case 'renewable':
        this.#mesh.renewable = true;
        this.#session = this.#open();
        return;
      case 'streams':
        this.#longest = rest[0] === 'unknown' ? undefined : Number(rest[0]);
        return;
      case 'replica':
        this.#memory = new RenewalMemory();
        this.#session = this.#open();
        return;
      case 'sotw':
        this.#protocol = 'sotw';
        this.#session = this.#open();
        return;
      case 'asleep':
        // A change while no stream is open, or that this session is never told of.
        this.#edit(rest.join(' '));
        this.#mesh.catchUp();
        return;
      default:
        throw new Error(`transcript: "${line}" is not understood`);
    }
  }

  #change(text: string): void {
    this.#edit(text);
    const items: ChangeItem[] = [];
    const { keys, everything } = this.#mesh.catchUp();
    if (everything) items.push({ kind: 'everything' });
    for (const key of keys)
      for (const { audience, item } of noticesOf(key, (name) => this.#shapes.subjectOf(name))) {
        const concerned =
          audience.by === 'subject'
            ? this.#session.subjects.has(audience.name)
            : audience.by === 'caller'
              ? audience.name === CALLER
              : true;
        if (concerned) items.push(item);
      }
    if (items.length > 0) this.#show(this.#session.onChange(items, this.#now));
  }

  /** `a; b; c` is one commit. */
  #edit(text: string): void {
    for (const part of text.split(';')) this.#editOne(part.trim().split(/\s+/));
  }

  #editOne([kind = '', name = '', version = '', ...rest]: readonly string[]): void {
    const mesh = this.#mesh;
    const gone = version === 'gone';
    const list = (word: string): string[] => {
      const at = rest.indexOf(word);
      return at < 0 ? [] : (rest[at + 1] ?? '').split(',').filter((item) => item !== '');
    };
    switch (kind) {
      case 'service': {
        // All of an HTTP service port: domains with and without port, its cluster, one endpoint.
        const host = name.slice(0, name.indexOf(':'));
        const domains = [host, name, ...list('domains')];
        mesh.set('cds', name, gone ? undefined : clusterBody(name, `c-${version}`, true));
        mesh.set('eds', name, gone ? undefined : assignmentBody(name, `e-${version}`, [9001]));
        mesh.set('vhds', name, gone ? undefined : virtualHostBody(`h-${version}`, domains, [name]));
        return;
      }
      case 'cds':
        mesh.set('cds', name, gone ? undefined : clusterBody(name, version, !rest.includes('static')));
        return;
      case 'eds':
        mesh.set(
          'eds',
          name,
          gone ? undefined : assignmentBody(name, version, [9001], Number(list('padding')[0] ?? 0)),
        );
        return;
      case 'vhds':
        mesh.set('vhds', name, gone ? undefined : virtualHostBody(version, list('domains'), list('clusters')));
        return;
      case 'raw': {
        // raw <type> <name> <version | gone>
        const [key, is] = [`${name} ${version}`, rest[0] ?? ''];
        if (is === 'gone') mesh.raw.delete(key);
        else if (name === 'cds') mesh.raw.set(key, clusterBody(version, is, !rest.includes('static')));
        else if (name === 'vhds') mesh.raw.set(key, virtualHostBody(is, list('domains'), list('clusters')));
        else mesh.raw.set(key, { version: is, body: Buffer.from(is) });
        mesh.changed(`raw||${typeUrlOf(name)}|${version}`, `rawset||${typeUrlOf(name)}`);
        return;
      }
      case 'label':
        if (gone) mesh.labels.delete(name);
        else mesh.labels.set(name, version);
        mesh.changed(`rawset||${typeUrlOf(name)}`);
        return;
      case 'lds':
        if (gone) mesh.listeners.delete(name);
        else mesh.listeners.set(name, listenerBody(name, version));
        mesh.changed(`own|${CALLER}|1`);
        return;
      case 'inbound':
        if (gone) mesh.inbound.delete(name);
        else mesh.inbound.set(name, clusterBody(name, version, false));
        mesh.changed(`own|${CALLER}|1`);
        return;
      case 'local':
        mesh.local.set(CALLER, assignmentBody('local', name, [15001]));
        mesh.changed(`local||${CALLER}`);
        return;
      case 'preload':
        mesh.preloads.set(CALLER, name === '' ? [] : name.split(','));
        mesh.changed(`caller|${CALLER}`);
        return;
      case 'expired':
        mesh.expired.set(CALLER, name === '' ? [] : name.split(','));
        mesh.changed(`caller|${CALLER}`);
        return;
      case 'deny':
        mesh.denied.add(`${CALLER} ${name}`);
        mesh.changed(`caller|${CALLER}`);
        return;
      case 'allow':
        mesh.denied.delete(`${CALLER} ${name}`);
        mesh.changed(`caller|${CALLER}`);
        return;
      case 'hide':
        mesh.denied.add(`${CALLER} ${name}`);
        mesh.changed(`svc|${name.slice(0, name.indexOf(':'))}`);
        return;
      case 'lost':
        mesh.lost();
        return;
      default:
        throw new Error(`transcript: mesh ${kind} is not understood`);
    }
  }

  #show(effects: readonly Effect[]): void {
    for (const effect of effects) {
      const text = describe(effect);
      if (text !== undefined) this.lines.push(text);
    }
  }
}

const requestOf = ([type = '', ...words]: readonly string[]): DeltaRequest => {
  const subscribe: string[] = [];
  const unsubscribe: string[] = [];
  const versions = new Map<string, string>();
  let responseNonce = '';
  let errorDetail: DeltaRequest['errorDetail'];
  let mode = '';
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    if (word === 'sub' || word === 'unsub' || word === 'irv') mode = word;
    else if (word === 'ack' || word === 'nack') {
      responseNonce = words[++at] ?? '';
      if (word === 'nack') {
        errorDetail = { code: 13, message: words.slice(at + 1).join(' ') };
        break;
      }
    } else if (mode === 'sub') subscribe.push(word);
    else if (mode === 'unsub') unsubscribe.push(word);
    else if (mode === 'irv') {
      const equals = word.lastIndexOf('=');
      versions.set(word.slice(0, equals), word.slice(equals + 1));
    } else throw new Error(`transcript: "${word}" is not understood`);
  }
  return {
    typeUrl: typeUrlOf(type),
    subscribe,
    unsubscribe,
    initialResourceVersions: versions,
    responseNonce,
    ...(errorDetail === undefined ? {} : { errorDetail }),
  };
};

const stateRequestOf = ([type = '', ...words]: readonly string[]): StateRequest => {
  const names: string[] = [];
  let versionInfo = '';
  let responseNonce = '';
  let errorDetail: StateRequest['errorDetail'];
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    if (word === 'names') continue;
    if (word === 'version') versionInfo = words[++at] ?? '';
    else if (word === 'ack') responseNonce = words[++at] ?? '';
    else if (word === 'nack') {
      responseNonce = words[++at] ?? '';
      errorDetail = { code: 13, message: words.slice(at + 1).join(' ') };
      break;
    } else names.push(word === '""' ? '' : word);
  }
  return {
    typeUrl: typeUrlOf(type),
    names,
    versionInfo,
    responseNonce,
    ...(errorDetail === undefined ? {} : { errorDetail }),
  };
};

const describe = (effect: Effect): string | undefined => {
  switch (effect.kind) {
    case 'send': {
      const resources = effect.resources.map((resource) => {
        const aliases = aliasesOf(resource);
        const slash = resource.name.indexOf('/') + 1;
        if (resource.body === undefined) return `${resource.name} (nothing, ${resource.version})`;
        if (aliases.length === 0) return `${resource.name}@${resource.version}`;
        return `${resource.name}@${resource.version} [${aliases.map((alias) => alias.slice(slash)).join(' ')}]`;
      });
      // State of the world: what is gone is missing, and not said.
      const named = effect.versionInfo === undefined ? effect.removed : [];
      const removed = named.length === 0 ? [] : [`removed ${named.join(' ')}`];
      const said = [...(resources.length === 0 ? [] : [resources.join(', ')]), ...removed].join('; ');
      const version = effect.label ?? effect.versionInfo;
      return `< ${effect.type} ${effect.nonce}${version === undefined ? '' : ` (${version})`}: ${said === '' ? '(empty)' : said}`;
    }
    case 'observe':
      return `! learned ${effect.from} -> ${effect.to}`;
    case 'rejected':
      return `! refused ${effect.items.map(({ name, version, shape }) => (shape === GONE ? `-${name}` : `${name}@${version}`)).join(', ')}${effect.final ? '' : ' (not known which)'}: ${effect.message}`;
    case 'timer':
      return `! timer ${effect.at}`;
    case 'pause':
      return '! pause';
    case 'throttle':
      return `! throttle ${effect.until}`;
    case 'close':
      return `! close ${effect.code} ${effect.message}`;
    case 'acked':
    case 'interest':
      return undefined;
  }
};

/** Runs the author's lines of a transcript; returns the whole text as it is today. */
export const replay = (text: string): string => {
  const conversation = new Conversation();
  for (const line of text.split('\n')) if (!/^[<!]/.test(line)) conversation.say(line);
  return conversation.lines.join('\n');
};
