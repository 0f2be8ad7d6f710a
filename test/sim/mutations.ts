/** Defects that the simulation can be given on purpose, to show that it finds them (mutations.test.ts). Real runs have none. */

export const MUTATIONS = {
  /** The log's disk says that a commit is durable before it is. */
  'ack before flush': ['I1'],
  /** One replica is handed another event than the log holds. */
  'altered event on one replica': ['I3'],
  /** One replica is never handed an event, and the offsets of those behind it are moved up. */
  'skipped event on one replica': ['I3'],
  /** Removals are not sent. */
  'removals are dropped': ['I5', 'I7', 'I8'],
  /** Virtual hosts overtake the clusters before them. */
  'virtual hosts overtake clusters': ['I5'],
  /** Workers are not told of commits. */
  'no notices': ['I5', 'I7', 'I8'],
  /** A response that was sent before is sent once more, with its old content. */
  'an old response comes again': ['I4'],
  /** Visibility and denied edges are not looked at. */
  'everything is visible': ['I6'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type Mutation = keyof typeof MUTATIONS;
