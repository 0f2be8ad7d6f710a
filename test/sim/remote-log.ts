/**
 * The log as a replica has it, over the network: `EventLog` for the real projector and the real ingest. It reconnects and goes on where
 * it stopped; an append without an answer is ambiguous, and says so.
 */
import type { AppendResult, EventLog, FollowOptions, LogHead, LogRecord } from '../../src/log/index.ts';
import { decodeRecord } from '../../src/log/record-codec.ts';
import { type EventEnvelope, TendrilError } from '../../src/model/index.ts';
import type { LogServer, RawRecord } from './log-server.ts';
import { MESH, type Process, type World } from './world.ts';

const RECONNECT_MS = 20;

export interface RemoteLogOptions {
  readonly world: World;
  readonly server: LogServer;
  readonly process: Process;
  /** Name of the link to the log. */
  readonly link: string;
  /** Mutations: what a replica is handed instead of a record; undefined: nothing. */
  readonly alter?: (record: RawRecord) => RawRecord | undefined;
}

export class RemoteLog implements EventLog {
  readonly mesh = MESH;
  readonly #options: RemoteLogOptions;
  #head: LogHead = { offset: 0, recordedAt: 0, first: 1 };

  constructor(options: RemoteLogOptions) {
    this.#options = options;
  }

  /** Asks for the log's head; resolves when it has come. */
  async connect(): Promise<void> {
    for (let known = false; !known; ) {
      known = await new Promise<boolean>((resolve) => {
        const connection = this.#dial();
        if (connection === undefined) {
          this.#later(() => resolve(false));
          return;
        }
        connection.a.onClose = () => this.#later(() => resolve(false));
        connection.a.send(() => {
          const head = this.#options.server.core?.head();
          if (head === undefined) return;
          connection.b.send(() => {
            connection.a.close();
            this.#move(head);
            resolve(true);
          });
        });
      });
    }
  }

  head(): LogHead {
    return this.#head;
  }

  append(events: readonly EventEnvelope[]): Promise<AppendResult> {
    return new Promise((resolve, reject) => {
      const connection = this.#dial();
      const lost = (): void =>
        reject(new TendrilError('LOG_NO_ANSWER', 'the log did not answer: the events may be in it'));
      if (connection === undefined) {
        lost();
        return;
      }
      connection.a.onClose = lost;
      const copy = JSON.parse(JSON.stringify(events)) as EventEnvelope[];
      connection.a.send(() =>
        this.#options.server.append(copy, ({ offsets, code }) =>
          connection.b.send(() => {
            connection.a.close();
            if (offsets === undefined) reject(new TendrilError(code ?? 'UNKNOWN', 'the log refused the events'));
            else {
              this.#move({ ...this.#head, offset: Math.max(this.#head.offset, offsets.at(-1) ?? 0) });
              resolve({ offsets, recordedAt: this.#head.recordedAt });
            }
          }),
        ),
      );
    });
  }

  read(options: FollowOptions): AsyncIterable<readonly LogRecord[]> {
    return this.#records(options, this.#head.offset);
  }

  follow(options: FollowOptions): AsyncIterable<readonly LogRecord[]> {
    return this.#records(options, Number.POSITIVE_INFINITY);
  }

  offsetAt(): number {
    throw new TypeError('nobody asks for earlier times here');
  }

  async close(): Promise<void> {
    // Its connections end with its process.
  }

  async *#records({ from, signal }: FollowOptions, to: number): AsyncGenerator<readonly LogRecord[]> {
    const isAborted = (): boolean => signal?.aborted === true;
    let next = from;
    while (next <= to && !isAborted()) {
      const connection = this.#dial();
      if (connection === undefined) {
        await new Promise<void>((resolve) => this.#later(resolve));
        continue;
      }
      const queue: (readonly RawRecord[])[] = [];
      let wake = (): void => undefined;
      let ended = false;
      const onAbort = (): void => {
        connection.a.close();
        wake();
      };
      connection.a.onClose = () => {
        ended = true;
        wake();
      };
      signal?.addEventListener('abort', onAbort);
      const start = next;
      connection.a.send(() =>
        this.#options.server.serve(connection.b, start, (records) => {
          queue.push(records);
          wake();
        }),
      );
      while (next <= to) {
        if (isAborted()) return;
        const raw = queue.shift();
        if (raw === undefined) {
          if (ended) break;
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        const records = this.#decode(raw.filter(({ offset }) => offset <= to));
        next = (raw.at(-1)?.offset ?? next) + 1;
        const last = records.at(-1);
        if (last !== undefined) {
          this.#move({ offset: Math.max(this.#head.offset, last.offset), recordedAt: last.recordedAt, first: 1 });
          yield records;
        }
      }
      signal?.removeEventListener('abort', onAbort);
      connection.a.close();
    }
  }

  #decode(raw: readonly RawRecord[]): LogRecord[] {
    const { alter } = this.#options;
    const records: LogRecord[] = [];
    for (const record of raw) {
      const handed = alter === undefined ? record : alter(record);
      if (handed !== undefined) records.push(decodeRecord(handed.offset, handed.bytes));
    }
    return records;
  }

  #move(head: LogHead): void {
    if (head.offset > this.#head.offset) this.#head = head;
  }

  #dial() {
    const { world, server, process, link } = this.#options;
    return server.core === undefined ? undefined : world.network.connect(link, process, server.process);
  }

  #later(run: () => void): void {
    const { world, process } = this.#options;
    world.scheduler.after(world.choices.fraction() * RECONNECT_MS, process, run);
  }
}
