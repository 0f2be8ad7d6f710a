/** Valid conversations to begin from: what the sidecar client says to a server, and what a state-of-the-world client would. */
import { XDS_METHODS, type XdsMethod } from '../../../src/delta-xds/methods.ts';
import {
  CDS,
  decodeDeltaResponse,
  decodeStateResponse,
  EDS,
  encodeDeltaRequest,
  encodeStateRequest,
  LDS,
  type ProtoNode,
  RDS,
  type StateRequest,
} from '../../../src/proto/index.ts';
import type { ClientEffect } from '../../../src/sidecar-client/effect.ts';
import { ClientSession } from '../../../src/sidecar-client/session.ts';
import { nodeOf } from './memory-mesh.ts';
import type { MemoryServer } from './memory-server.ts';

export interface Conversation {
  readonly method: XdsMethod;
  /** Requests in order, the first with the node. */
  readonly requests: readonly Uint8Array[];
}

const methodOf = (protocol: XdsMethod['protocol'], typeUrl?: string): XdsMethod => {
  const found = XDS_METHODS.find((method) => method.protocol === protocol && method.typeUrl === typeUrl);
  if (found === undefined) throw new Error(`no method for ${protocol} ${typeUrl ?? ''}`);
  return found;
};

/** First messages, two questions, acknowledgements of all that comes; refusals when `refuse`. */
const deltaConversation = (
  server: MemoryServer,
  node: ProtoNode,
  hosts: readonly string[],
  refuse: boolean,
): Conversation => {
  const method = methodOf('delta');
  const stream = server.open(method);
  const requests: Uint8Array[] = [];
  const session = new ClientSession({
    node,
    listeners: true,
    ...(refuse ? { refuse: (type, name) => (type === 'vhds' ? `cannot take ${name}` : undefined) } : {}),
  });
  const run = (effects: readonly ClientEffect[]): void => {
    for (const effect of effects)
      if (effect.kind === 'request') {
        const bytes = encodeDeltaRequest(effect.request);
        requests.push(bytes);
        stream.send(bytes);
      }
  };
  const settle = (): void => {
    for (let message = stream.take(); message !== undefined; message = stream.take()) {
      run(session.onResponse(decodeDeltaResponse(message)));
      server.turn();
    }
  };
  run(session.onConnected());
  settle();
  for (const host of hosts) {
    run(session.ask(host));
    settle();
  }
  // The second stream names what is held.
  session.onDisconnected();
  for (const effect of session.onConnected())
    if (effect.kind === 'request') requests.push(encodeDeltaRequest(effect.request));
  stream.drop();
  return { method, requests };
};

const stateConversation = (
  server: MemoryServer,
  node: ProtoNode,
  method: XdsMethod,
  wants: readonly (readonly [typeUrl: string, names: readonly string[]])[],
): Conversation => {
  const stream = server.open(method);
  const requests: Uint8Array[] = [];
  const say = (parts: Partial<StateRequest> & { readonly typeUrl: string }): void => {
    const bytes = encodeStateRequest({
      versionInfo: '',
      names: [],
      responseNonce: '',
      ...(requests.length === 0 ? { node } : {}),
      ...parts,
    });
    requests.push(bytes);
    stream.send(bytes);
    server.turn();
  };
  for (const [typeUrl, names] of wants) {
    say({ typeUrl, names });
    for (let message = stream.take(); message !== undefined; message = stream.take()) {
      const { versionInfo, nonce, typeUrl: answered } = decodeStateResponse(message);
      const same = wants.find(([url]) => url === answered)?.[1] ?? [];
      say({ typeUrl: answered, names: same, versionInfo, responseNonce: nonce });
      say({
        typeUrl: answered,
        names: same,
        versionInfo: '',
        responseNonce: nonce,
        errorDetail: { code: 13, message: 'cannot take it' },
      });
    }
  }
  stream.drop();
  return { method, requests };
};

/** Recorded against this server, whose mesh has services `svc-<n>.shop:80`. */
export const recordCorpus = (server: MemoryServer): readonly Conversation[] => {
  const node: ProtoNode = {
    ...nodeOf('app.shop'),
    metadata: { service: 'app', namespace: 'shop', labels: { a: 'b', list: [1, null, true, { deep: 'x' }] } },
    clientFeatures: ['envoy.lb.does_not_support_overprovisioning'],
  };
  const names = ['svc-1.shop:80', 'svc-2.shop:80', 'nobody.shop:80'];
  return [
    deltaConversation(server, node, ['svc-1.shop', 'nobody.shop', 'svc-2.shop:80'], false),
    deltaConversation(server, nodeOf('other.shop'), ['svc-3', 'svc-4.shop'], true),
    stateConversation(server, node, methodOf('sotw'), [
      [LDS, []],
      [CDS, []],
      [EDS, names],
      [RDS, ['outbound', 'outbound~8080']],
      ['type.googleapis.com/some.other.Type', ['x']],
    ]),
    stateConversation(server, node, methodOf('sotw', EDS), [[EDS, names]]),
    stateConversation(server, node, methodOf('sotw', CDS), [[CDS, ['*', 'svc-5.shop:80']]]),
  ];
};
