// What a run found, one JSON line each. Whatever proves a promise calls `record`; docs/guarantees.md is made from the files in dist/results/
// with `npm run guarantees`: a round of a fault is a `fault`, everything else a `run` under the heading of its section. A new section is one
// entry in SECTIONS.

import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { arch, cpus, release, totalmem, type } from 'node:os';
import { dirname } from 'node:path';
import { z } from 'zod';
import { version } from '../../version.js';

/** Headings of docs/guarantees.md below the faults, in this order, each with what was done there. */
export const SECTIONS = {
  'crash points':
    'Every step that makes something durable has a name. For each name a process is killed with SIGKILL there, started again, and what the systems outside have is counted.',
  'unknown outcomes':
    'Answers of an HTTP partner are lost in every way, and the process is killed with requests in its hands, in front of endpoints that repeat, verify or park what nobody knows.',
  nodes: 'Several `signalbox run` processes on one RabbitMQ and one PostgreSQL, killed in turn.',
  cluster: 'A RabbitMQ cluster of three nodes whose leader is killed under load.',
  'database races':
    'Twelve writers commit in another order than they took their numbers, roll back and use savepoints, while a table is read; now and then the reader loses a batch after it was read and starts over.',
  'large files': 'A file far larger than the memory is read by the real program, which is killed and started again in the middle.',
  simulation: 'The real core over a simulated broker, store, clock and systems, one seed for each run.',
  soak: 'Hours of load with faults at random.',
} as const;
export type Section = keyof typeof SECTIONS;
const sections = Object.keys(SECTIONS) as [Section, ...Section[]];

const count = z.int().nonnegative();
const figures = {
  /** Accepted and without an end, or without its effect at a target. */
  lost: count,
  /** Effects beyond the first for one id and target. */
  duplicated: count,
  /** Effects that came before an earlier one of the same key; absent where no order was asked for. */
  inverted: count.optional(),
  /** Deliveries that ended as `unknown` because their target cannot tell. */
  unknown: count,
};

const faultResult = z.strictObject({
  kind: z.literal('fault'),
  /** The system at which the fault was brought in. */
  place: z.enum(['bus', 'source', 'files', 'partner', 'reports', 'store', 'node', 'disk']),
  bus: z.enum(['embedded', 'rabbitmq']),
  fault: z.string(),
  rows: count,
  deliveries: count,
  ...figures,
  /** Deliveries that were made while the fault lasted. */
  duringFault: z.int(),
  /** From the end of the fault until everything had arrived and nothing was under way. */
  recoveryMs: z.number(),
  /** Requests a partner got twice and knew by their key. */
  repeats: count,
  megabytes: z.number(),
});

const runResult = z.strictObject({
  kind: z.literal('run'),
  section: z.enum(sections),
  /** What was run; a later line of the same section and name replaces this one. */
  name: z.string(),
  /** Which command does it again. */
  command: z.string(),
  /** How often the trouble was made: kills, leaders lost, seeds. */
  times: count,
  messages: count,
  deliveries: count,
  ...figures,
  seconds: z.number(),
  /** More, in a few words. */
  detail: z.string().optional(),
});

const result = z.discriminatedUnion('kind', [faultResult, runResult]);
export type Result = z.infer<typeof result>;

const line = z.object({
  at: z.iso.datetime(),
  on: z.object({ signalbox: z.string(), node: z.string(), system: z.string(), cores: count, gigabytes: count, processor: z.string() }),
  /** Of the servers that took part: `rabbitmq: 3.10.8`. */
  versions: z.record(z.string(), z.string()),
  result,
});
export type Line = z.infer<typeof line>;

/** Adds one line to the file that SIGNALBOX_FAULTS_RESULTS names; without it, nothing. Any process may call it, also several at once. */
export function record(found: Result, versions: Readonly<Record<string, string>> = {}): void {
  const file = process.env['SIGNALBOX_FAULTS_RESULTS'];
  const whole: Line = {
    at: new Date().toISOString(),
    on: {
      signalbox: version,
      node: process.version,
      system: `${type()} ${release()} ${arch()}`,
      cores: cpus().length,
      gigabytes: Math.round(totalmem() / 2 ** 30),
      processor: cpus()[0]?.model.trim() ?? 'unknown',
    },
    versions,
    result: result.parse(found),
  };
  if (!file) return;
  mkdirSync(dirname(file), { recursive: true });
  appendFileSync(file, `${JSON.stringify(whole)}\n`);
}

export function readResults(file: string): readonly Line[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((text) => line.parse(JSON.parse(text)));
}
