// Systems and their endpoints: the adapter's own options are checked by its schemas, those all endpoints share by ours.
import { CronPattern } from 'croner';
import { z } from 'zod';
import { duration } from '../adapters/contract/options.js';
import { type AdapterSpec, type EndpointSpec, type FieldTypes, isIdempotent, type OutboundSpec, type SpecFinding } from '../adapters/contract/spec.js';
import { nearest } from '../bus/finding.js';
import type { EndpointFields } from '../routes/input.js';
import type { Check } from './check.js';
import type { CallableConfig, InboundConfig, OutboundConfig, ScheduleConfig, SystemConfig } from './configuration.js';
import { valueDigest } from './digest.js';
import { actualWords, unknownKey } from './issues.js';
import { writtenName } from './merge.js';
import type { Path } from './tree.js';

const DAY = /^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$/;

/** Options every endpoint under `read:` takes besides those of its adapter. */
export const readCommon = z.strictObject({
  schedule: z
    .strictObject({
      every: duration({ min: '100ms' })
        .optional()
        .meta({ title: 'Every', description: 'From the end of one poll to the start of the next.', examples: ['30s'] }),
      cron: z
        .string()
        .refine(isCron, 'expected a cron pattern such as 0 6 * * MON-FRI')
        .optional()
        .meta({ title: 'Cron', description: 'Instead of `every`: five or six fields.', examples: ['0 6 * * MON-FRI'] }),
      between: z
        .string()
        .regex(DAY, 'expected times of the day such as 06:00-22:00')
        .optional()
        .meta({ title: 'Between', description: 'Only within these times of the day.', examples: ['06:00-22:00'] }),
      zone: z
        .string()
        .refine(isZone, 'expected a time zone such as Europe/Berlin')
        .default('UTC')
        .meta({ title: 'Time zone', description: 'For `cron` and `between`.', examples: ['Europe/Berlin'] }),
    })
    .refine((schedule) => schedule.every === undefined || schedule.cron === undefined, 'expected `every` or `cron`, not both')
    .optional()
    .meta({ title: 'Schedule', description: 'When the endpoint is polled; every 30s when absent.' }),
  poll_timeout: duration({ min: '1s', max: '24h' })
    .optional()
    .meta({
      title: 'Poll timeout',
      description: 'A poll that brings neither a batch nor its end for so long is taken for hung: it is ended, the endpoint is opened anew. 5m when absent.',
      examples: ['5m'],
      advanced: true,
    }),
  max_records: z.number().int().min(1).max(100_000).default(500).meta({ title: 'Most records', description: 'In one batch.' }),
  expect: z
    .strictObject({
      at_least: z.number().int().min(1).default(1).meta({ title: 'At least', description: 'Records.' }),
      every: duration({ min: '1m' }).meta({ title: 'In each', examples: ['2h'] }),
    })
    .optional()
    .meta({ title: 'Expected arrival', description: 'Silence is an alarm: at least so many records in each period.', examples: [{ at_least: 1, every: '2h' }] }),
});

/** Options every endpoint under `write:` takes besides those of its adapter. */
export const writeCommon = z.strictObject({
  parallel: z
    .number()
    .int()
    .min(1)
    .max(256)
    .default(1)
    .meta({ title: 'Parallel', description: 'Deliveries under way at once. More than 1 gives up their order, unless their route has `order_by`.' }),
  partitions: z.number().int().min(1).max(256).default(8).meta({
    title: 'Partitions',
    description: 'Channels that ordered deliveries (`order_by`) are spread over by their key; nodes share them. A change finishes the old ones first.',
  }),
  on_unknown: z
    .enum(['resend', 'verify', 'park'])
    .optional()
    .meta({
      title: 'On unknown',
      description:
        'What happens to a delivery that was sent and not answered (a timeout, a lost connection, a crash): `resend`, `verify` (the endpoint asks the target whether it has it) or `park` (a person decides, `signalbox ledger`). Left out: `verify` where the endpoint can, `resend` where a repetition has no second effect, else `park`.',
      examples: ['park'],
    }),
});

const callCommon = z.strictObject({});
const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,62}$/;
const SYSTEM_KEYS = ['adapter', 'connect', 'read', 'write', 'call'];
const LONGEST_CALL_MS = 60_000;
const DEFAULT_SCHEDULE: ScheduleConfig = { everyMs: 30_000, cron: undefined, between: undefined, zone: 'UTC' };

export interface LoadedSystems {
  readonly systems: ReadonlyMap<string, SystemConfig>;
  readonly sources: ReadonlyMap<string, EndpointFields>;
  readonly targets: ReadonlyMap<string, EndpointFields>;
}

export function readSystems(check: Check, specs: ReadonlyMap<string, AdapterSpec>): LoadedSystems {
  const systems = new Map<string, SystemConfig>();
  const sources = new Map<string, EndpointFields>();
  const targets = new Map<string, EndpointFields>();
  for (const name of check.tree.names('systems')) {
    // Known by name even when something is wrong with them, so that one mistake is reported once.
    for (const [key, map] of [['read', sources] as const, ['write', targets] as const]) {
      const node = check.tree.node(['systems', name, key]);
      for (const endpoint of node?.kind === 'map' ? node.entries.keys() : []) map.set(`${writtenName(name)}.${endpoint}`, { fields: undefined });
    }
    const system = new SystemReader(check, specs, name).read(sources, targets);
    if (system) systems.set(name, system);
  }
  return { systems, sources, targets };
}

interface Part<T> {
  readonly key: 'read' | 'write' | 'call';
  readonly spec: (EndpointSpec & { readonly fields?: (config: unknown, connect: unknown) => FieldTypes | undefined }) | undefined;
  readonly common: z.ZodType<T>;
  readonly commonKeys: readonly string[];
}

interface ReadEndpoint<T> {
  readonly name: string;
  readonly config: unknown;
  readonly common: T;
  readonly path: Path;
  readonly fields: FieldTypes | undefined;
}

class SystemReader {
  readonly #path: Path;
  private readonly name: string;

  constructor(
    private readonly check: Check,
    private readonly specs: ReadonlyMap<string, AdapterSpec>,
    key: string,
  ) {
    this.#path = ['systems', key];
    this.name = writtenName(key);
  }

  read(sources: Map<string, EndpointFields>, targets: Map<string, EndpointFields>): SystemConfig | undefined {
    checkName(this.check, this.name, this.#path);
    const parts = this.check.split(this.#path, new Set(SYSTEM_KEYS));
    if (!parts) return undefined;
    for (const key of Object.keys(parts.own)) this.check.report(unknownKey(key, SYSTEM_KEYS, [...this.#path, key]));
    const spec = this.#spec(parts.shared['adapter']);
    if (!spec) return undefined;
    const connect = this.check.parse(spec.connect, [...this.#path, 'connect'], parts.shared['connect'] ?? {});
    if (connect !== undefined) this.#lint(spec.lint?.(connect), [...this.#path, 'connect']);
    const inbound = this.#endpoints({ key: 'read', spec: spec.read, common: readCommon, commonKeys: Object.keys(readCommon.shape) }, spec, connect);
    const outbound = this.#endpoints({ key: 'write', spec: spec.write, common: writeCommon, commonKeys: Object.keys(writeCommon.shape) }, spec, connect);
    const callable = this.#endpoints({ key: 'call', spec: spec.call, common: callCommon, commonKeys: [] }, spec, connect);
    for (const each of inbound) sources.set(each.name, { fields: each.fields });
    for (const each of outbound) targets.set(each.name, { fields: each.fields });
    return {
      name: this.name,
      adapter: spec,
      connect,
      inbound: byName(inbound.map((each) => this.#inbound(each, spec))),
      outbound: byName(outbound.map((each) => this.#outbound(each, spec.write, connect))),
      callable: byName(callable.map((each): CallableConfig => ({ name: each.name, config: each.config }))),
      digest: valueDigest(this.check.resolver.value(this.#path)),
    };
  }

  #spec(adapter: unknown): AdapterSpec | undefined {
    const path = [...this.#path, 'adapter'];
    const known = [...this.specs.keys()].toSorted();
    const found = typeof adapter === 'string' ? this.specs.get(adapter) : undefined;
    if (found || this.check.resolver.isPoisoned(path)) return found;
    const note = `known: ${known.join(' ')}`;
    if (adapter === undefined) {
      this.check.report({
        severity: 'error',
        code: 'E107',
        path: this.#path,
        atKey: true,
        message: '`adapter` is missing',
        help: 'add `adapter:` with the kind of the system',
        note,
      });
    } else {
      const near = typeof adapter === 'string' ? nearest(adapter, known) : undefined;
      const help = near === undefined ? {} : { help: `did you mean \`${near}\`?` };
      this.check.report({
        severity: 'error',
        code: 'E109',
        path,
        message: typeof adapter === 'string' ? `unknown adapter \`${adapter}\`` : `\`adapter\`: expected a name, got ${actualWords(adapter)}`,
        label: 'no such adapter',
        ...help,
        note,
      });
    }
    return undefined;
  }

  #endpoints<T>(part: Part<T>, spec: AdapterSpec, connect: unknown): readonly ReadEndpoint<T>[] {
    const node = this.check.tree.node([...this.#path, part.key]);
    if (!node || (node.kind === 'scalar' && node.value === null)) return [];
    if (!part.spec) {
      const able = (['read', 'write', 'call'] as const).filter((key) => spec[key]).map((key) => `\`${key}\``);
      const path = [...this.#path, part.key];
      this.check.report({
        severity: 'error',
        code: 'E119',
        path,
        atKey: true,
        message: `the adapter \`${spec.name}\` has no \`${part.key}\``,
        label: 'not possible',
        note: `it has ${able.join(', ')}`,
      });
      return [];
    }
    const names = this.check.split([...this.#path, part.key], new Set());
    return Object.keys(names?.own ?? {}).flatMap((endpoint) => this.#endpoint(endpoint, part, part.spec ?? { config: z.unknown() }, connect) ?? []);
  }

  #endpoint<T>(endpoint: string, part: Part<T>, spec: NonNullable<Part<T>['spec']>, connect: unknown): ReadEndpoint<T> | undefined {
    const path = [...this.#path, part.key, endpoint];
    checkName(this.check, endpoint, path);
    const values = this.check.split(path, new Set(part.commonKeys));
    if (!values) return undefined;
    const common = this.check.parse(part.common, path, values.shared);
    const config = this.check.parse(spec.config, path, values.own, part.commonKeys);
    if (config === undefined || connect === undefined) return undefined;
    this.#lint(spec.lint?.(config, connect), path);
    return common && { name: `${this.name}.${endpoint}`, config, common, path, fields: spec.fields?.(config, connect) };
  }

  #lint(findings: readonly SpecFinding[] | undefined, path: Path): void {
    for (const found of findings ?? []) {
      const code = found.severity === 'error' ? 'E118' : 'W101';
      this.check.report({ severity: found.severity, code, path: [...path, ...found.path], message: found.message, ...(found.fix === undefined ? {} : { help: found.fix }) });
    }
  }

  #inbound({ name, config, common, path }: ReadEndpoint<z.infer<typeof readCommon>>, spec: AdapterSpec): InboundConfig {
    for (const key of spec.read?.pattern === 'listening' ? (['schedule', 'poll_timeout'] as const) : []) {
      if (common[key] === undefined) continue;
      const message = `\`${key}\` has no effect: \`${spec.name}\` listens, it is not polled`;
      this.check.report({ severity: 'error', code: 'E118', path: [...path, key], atKey: true, message, help: 'remove it' });
    }
    return {
      name,
      config,
      schedule: scheduleOf(common.schedule),
      maxRecords: common.max_records,
      ...(common.poll_timeout === undefined ? {} : { pollTimeoutMs: common.poll_timeout }),
      expect: common.expect && { atLeast: common.expect.at_least, everyMs: common.expect.every },
    };
  }

  #outbound({ name, config, common, path }: ReadEndpoint<z.infer<typeof writeCommon>>, spec: OutboundSpec | undefined, connect: unknown): OutboundConfig {
    const repeatable = spec !== undefined && isIdempotent(spec, config);
    const remembers = spec?.remembersDeliveries === true;
    const verifies = spec?.verifies?.(config) === true;
    const asked = common.on_unknown;
    const option = [...path, 'on_unknown'];
    if (asked !== undefined && remembers) {
      const message = '`on_unknown` has no effect: the target remembers each delivery together with its effect, so that nothing is ever unknown';
      this.check.report({ severity: 'error', code: 'E190', path: option, atKey: true, message, help: 'remove it' });
    } else if (asked === 'verify' && !verifies) {
      const message = spec?.verifies ? 'this endpoint does not say how to verify' : 'this adapter cannot verify';
      const help = spec?.verifies ? 'add `verify:` to the endpoint' : 'take `park`, or `resend` where a repetition does no harm';
      this.check.report({ severity: 'error', code: 'E191', path: option, message, label: 'not possible', help });
    } else if (asked === 'resend' && !repeatable) {
      const message = 'a delivery whose answer was lost is sent again, and may have a second effect: the target cannot recognise it';
      this.check.report({
        severity: 'warning',
        code: 'W190',
        path: option,
        message,
        help: verifies ? 'take `verify`' : 'take `park`, or make the request repeatable (`PUT`, a key that the partner honours)',
      });
    }
    const limit = spec?.longestCall?.(config, connect);
    return {
      name,
      config,
      parallel: common.parallel,
      partitions: common.partitions,
      onUnknown: remembers ? 'resend' : (asked ?? (verifies ? 'verify' : repeatable ? 'resend' : 'park')),
      longestCallMs: limit ?? LONGEST_CALL_MS,
      ...(limit === undefined ? {} : { callLimitMs: limit }),
    };
  }
}

function scheduleOf(schedule: z.infer<typeof readCommon>['schedule']): ScheduleConfig {
  if (!schedule) return DEFAULT_SCHEDULE;
  const [from, to] = schedule.between?.split('-') ?? [];
  return {
    everyMs: schedule.cron === undefined ? (schedule.every ?? DEFAULT_SCHEDULE.everyMs) : undefined,
    cron: schedule.cron,
    between: from !== undefined && to !== undefined ? { from, to } : undefined,
    zone: schedule.zone,
  };
}

function checkName(check: Check, name: string, path: Path): void {
  if (NAME.test(name)) return;
  check.report({
    severity: 'error',
    code: 'E110',
    path,
    atKey: true,
    message: `\`${name}\` cannot be a name`,
    help: 'letters, digits, - and _, beginning with a letter, at most 63',
  });
}

function byName<T extends { readonly name: string }>(list: readonly T[]): ReadonlyMap<string, T> {
  return new Map(list.map((each) => [each.name, each]));
}

function isCron(pattern: string): boolean {
  try {
    return new CronPattern(pattern).second.length > 0;
  } catch {
    return false;
  }
}

function isZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone.length > 0;
  } catch {
    return false;
  }
}
