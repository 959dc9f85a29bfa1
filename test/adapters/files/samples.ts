// The samples of the conformance kit as files, for every place that holds files.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRecord, parseJson } from '../../../adapters/contract/index.js';
import type { InboundHarness, OutboundHarness, Sample } from '../../kit/adapter/index.js';

const COLUMNS = ['number', 'text', 'whole', 'amount', 'code'] as const;

/** Files as CSV in `in`, one file per sample. */
export function inboundFiles(root: () => string): InboundHarness {
  return {
    config: () => ({ path: 'in', pattern: '*.csv', stable: { polls: 1, for: '0s' }, csv: { columns: COLUMNS, delimiter: ';' } }),
    async seed(samples) {
      for (const each of samples) {
        const row = COLUMNS.map((name) => `"${String(each[name]).replaceAll('"', '""')}"`).join(';');
        writeFileSync(join(root(), 'in', `${String(each.number).padStart(4, '0')}.csv`), `${COLUMNS.join(';')}\n${row}\n`);
      }
    },
    read: ({ value }) => sampleOf(isRecord(value) ? value : {}),
  };
}

/** Files as JSON in `out`, one file per delivery. */
export function outboundFiles(root: () => string): OutboundHarness {
  return {
    config: () => ({ path: 'out/item-{key}-{id}.json', json: {} }),
    async collect() {
      const folder = join(root(), 'out');
      return readdirSync(folder).map((name) => {
        const value = parseJson(readFileSync(join(folder, name), 'utf8'));
        if (!isRecord(value)) throw new Error(`${name} is no record`);
        return sampleOf(value);
      });
    },
  };
}

export function cleanFolders(root: string): void {
  if (existsSync(root)) for (const name of readdirSync(root)) rmSync(join(root, name), { recursive: true, force: true });
  for (const name of ['in', 'out']) mkdirSync(join(root, name), { recursive: true });
}

function sampleOf(value: Record<string, unknown>): Sample {
  const text = (name: string): string => String(value[name]);
  return { number: Number(text('number')), text: text('text'), whole: text('whole'), amount: text('amount'), code: text('code') };
}
