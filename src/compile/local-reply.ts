/**
 * The 32 fixed local reply mappers of the `outbound` listener (policies.md sections 3 `fallback` and 13): 4 groups of response
 * flags x 8 statuses. They change the sidecar's own error answer into what the route's metadata says, and leave every route
 * without such metadata, and every answer of the service itself, as it is.
 *
 * `fallback` is a later policy; its mappers are here from the start because Envoy drains a listener that changes, and a virtual
 * host not. Route metadata, filter `tendril`: `fallback {<group>: <status as number>, body: text, type: text}`; a group that is
 * missing keeps Envoy's answer. `body` and `type` are always there when `fallback` is.
 */
import {
  CelFilter,
  envoy,
  type IHttpConnectionManager,
  type IResponseMapper,
  packAny,
  TYPE_URLS,
} from '../proto/index.ts';
import { wrapped } from './values.ts';

/** Names of `fallback.when` and the response flags they mean. */
const GROUPS = [
  { name: 'noEndpoint', flags: ['UH', 'NC'] },
  { name: 'overflow', flags: ['UO'] },
  { name: 'reset', flags: ['UF', 'UC', 'UR'] },
  { name: 'timeout', flags: ['UT', 'SI', 'DT', 'UMSDR'] },
] as const;

/** Statuses that `fallback.status` may take. */
const STATUSES = [200, 203, 204, 404, 429, 500, 503, 504] as const;

const { OVERWRITE_IF_EXISTS_OR_ADD } = envoy.config.core.v3.HeaderValueOption.HeaderAppendAction;

const mapper = (group: (typeof GROUPS)[number], status: number): IResponseMapper => ({
  filter: {
    andFilter: {
      filters: [
        { responseFlagFilter: { flags: group.flags } },
        {
          extensionFilter: {
            name: 'envoy.access_loggers.extension_filters.cel',
            typedConfig: packAny(TYPE_URLS.CelFilter, CelFilter, {
              expression: `xds.route_metadata.filter_metadata['tendril']['fallback']['${group.name}'] == ${status}.0`,
            }),
          },
        },
      ],
    },
  },
  statusCode: wrapped(status),
  bodyFormatOverride: { textFormatSource: { inlineString: '%METADATA(ROUTE:tendril:fallback:body)%' } },
  headersToAdd: [
    {
      header: { key: 'content-type', value: '%METADATA(ROUTE:tendril:fallback:type)%' },
      appendAction: OVERWRITE_IF_EXISTS_OR_ADD,
    },
  ],
});

export const localReplyConfig = (): IHttpConnectionManager['localReplyConfig'] => ({
  mappers: GROUPS.flatMap((group) => STATUSES.map((status) => mapper(group, status))),
});
