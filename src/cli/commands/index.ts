/** All commands, in the order of `tendril --help`. */
import type { Command } from '../command.ts';
import { apply } from './apply.ts';
import { bootstrap } from './bootstrap.ts';
import { check } from './check.ts';
import { remove } from './delete.ts';
import { demo } from './demo.ts';
import { events } from './events.ts';
import { get } from './get.ts';
import { graph } from './graph.ts';
import { proxies, proxy } from './proxies.ts';
import { serve } from './serve.ts';
import { validate } from './validate.ts';
import { verify } from './verify.ts';
import { version } from './version.ts';
import { why } from './why.ts';

export const commands: readonly Command[] = [
  serve,
  demo,
  apply,
  remove,
  get,
  validate,
  events,
  graph,
  proxies,
  proxy,
  why,
  bootstrap,
  verify,
  check,
  version,
];
