import { expect } from '@jest/globals';
import type { z } from 'zod';
import { Secret } from '../../../../adapters/contract/index.js';
import type { AdapterHarness } from '../harness.js';
import { type Option, optionsOf } from '../options-of.js';
import { always, type Scenario } from '../scenario.js';

export const optionScenarios: readonly Scenario[] = [
  {
    name: 'the configurations of the harness are valid, an unknown option is not',
    applies: always,
    run: async ({ harness }) => {
      for (const [place, schema, config] of parts(harness)) {
        expect([place, schema.safeParse(config).error?.issues]).toEqual([place, undefined]);
        if (typeof config !== 'object' || config === null) continue;
        expect([place, schema.safeParse({ ...config, 'no such option': 1 }).success]).toEqual([place, false]);
      }
    },
  },
  {
    name: 'each option has a title or a description',
    applies: always,
    run: async ({ harness }) => {
      expect(
        allOptions(harness)
          .filter((option) => !option.literal && !option.meta['title'] && !option.meta['description'])
          .map((option) => option.path),
      ).toEqual([]);
    },
  },
  {
    name: 'every example of an option is valid',
    applies: always,
    run: async ({ harness }) => {
      const wrong = allOptions(harness).flatMap((option) =>
        examplesOf(option)
          .filter((example) => !option.schema.safeParse(withSecrets(example)).success)
          .map((example) => `${option.path}: ${JSON.stringify(example)}`),
      );
      expect(wrong).toEqual([]);
    },
  },
  {
    name: 'the spec has a well-formed name, a title, a summary and an implementation',
    applies: always,
    run: async ({ harness: { spec } }) => {
      expect(spec.name).toMatch(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/);
      expect(spec.title).not.toBe('');
      expect(spec.summary).not.toBe('');
      expect(typeof (await spec.load())).toBe('function');
    },
  },
];

function parts(harness: AdapterHarness): readonly (readonly [string, z.ZodType, unknown])[] {
  const { spec } = harness;
  const all: [string, z.ZodType, unknown][] = [['connect', spec.connect, harness.connect()]];
  if (spec.read) all.push(['read', spec.read.config, harness.inbound?.config()]);
  if (spec.write) all.push(['write', spec.write.config, harness.outbound?.config()]);
  if (spec.call) all.push(['call', spec.call.config, harness.callable?.config()]);
  return all;
}

function allOptions(harness: AdapterHarness): readonly Option[] {
  return parts(harness).flatMap(([place, schema]) => optionsOf(schema, place));
}

function examplesOf(option: Option): readonly unknown[] {
  const examples = option.meta['examples'];
  return Array.isArray(examples) ? (examples as readonly unknown[]) : [];
}

/** As the configuration loader does: references become secrets. Long enough for any rule about length. */
function withSecrets(value: unknown): unknown {
  if (typeof value === 'string') return /^\$\{secret:[^}]+\}$/.test(value) ? new Secret('example', `whsec_${'A'.repeat(43)}=`) : value;
  if (Array.isArray(value)) return value.map(withSecrets);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withSecrets(each)]));
}
