// The part of the configuration language that routes/ owns: types, tables, routes, defaults, tests. The schemas check shape;
// names, expressions and types are checked by `compileRoutes`.
import { z } from 'zod';
import { duration, parseDuration } from '../adapters/contract/options.js';
import type { RetryPolicy } from '../bus/handler.js';

/** A key of a later release: refused with words instead of "unknown key". */
function notYet(what: string) {
  return z
    .never({ error: `not yet: ${what} comes in a later release` })
    .optional()
    .meta({ title: 'Not yet', description: `${what} comes in a later release.` });
}

const name = z.string().regex(/^[A-Za-z_][A-Za-z0-9_-]{0,62}$/, 'expected a name: letters, digits, - and _, beginning with a letter');
const fieldName = z.string().min(1).max(128);
const endpointName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_-]*\.[A-Za-z_][A-Za-z0-9_-]*$/, 'expected an endpoint such as legacy.orders')
  .meta({ examples: ['legacy.orders'] });
/** Plain numbers and booleans of YAML are expressions too: `quantity: 1`. */
const expression = z.union([z.string().min(1).max(16_384), z.number(), z.boolean()]).transform(String);

export const typeConfig = z
  .record(fieldName, z.string().meta({ examples: ['required text 8', 'decimal 12.2', 'list of OrderLine', 'date', 'timestamp', 'integer', 'boolean'] }))
  .meta({
    title: 'Type',
    description:
      'A canonical type: each field with words: `required`, then `text N`, `integer`, `decimal P.S`, `boolean`, `date`, `timestamp`, another type, or `list of` one of these.',
    examples: [{ id: 'required text', total: 'required decimal 12.2', lines: 'list of OrderLine' }],
  });
export type TypeConfig = Readonly<z.infer<typeof typeConfig>>;

const missing = z
  .string()
  .default('fail')
  .meta({
    title: 'Missing row',
    description: 'What a key without a row gives: `fail` (dead letter E311), `keep` (the key itself), or any other text, which is then the value.',
    examples: ['fail', 'keep', '??'],
  });
const scalar = z.union([z.string(), z.number(), z.boolean()]).transform(String);

export const tableConfig = z
  .union([
    z.strictObject({
      csv: z
        .string()
        .min(1)
        .meta({ title: 'CSV file', description: 'Path below the configuration directory.', examples: ['tables/country.csv'] }),
      key: z
        .string()
        .min(1)
        .meta({ title: 'Key column', examples: ['code'] }),
      value: z
        .string()
        .min(1)
        .meta({ title: 'Value column', examples: ['iso2'] }),
      missing,
    }),
    z.strictObject({
      rows: z.record(z.string(), scalar).meta({ title: 'Rows', description: 'Key to value; quote keys with leading zeros.', examples: [{ '040': 'AT' }] }),
      missing,
    }),
  ])
  .meta({ title: 'Table', description: 'A code list: looked up in a mapping by `table:`.' });
export type TableConfig = Readonly<z.infer<typeof tableConfig>>;

/** One target field in the long form; the parts apply in this fixed order: from, trim, empty, table, date/decimal, default, pad. */
export interface FieldConfig {
  readonly from?: string | undefined;
  readonly trim?: boolean | undefined;
  readonly empty?: string | undefined;
  readonly table?: string | undefined;
  readonly date?: string | undefined;
  readonly decimal?: 'comma' | 'point' | undefined;
  readonly default?: string | undefined;
  readonly pad?: number | undefined;
  readonly with?: string | undefined;
  readonly each?: string | undefined;
  readonly as?: string | undefined;
  readonly map?: MapConfig | undefined;
}
export interface MapConfig {
  readonly [target: string]: string | FieldConfig;
}

type MapInput = { [target: string]: string | number | boolean | Record<string, unknown> };

export const fieldConfig: z.ZodType<FieldConfig> = z
  .strictObject({
    from: expression.optional().meta({ title: 'From', description: 'Expression that gives the value.', examples: ['record.CTRY'] }),
    trim: z.boolean().optional().meta({ title: 'Trim', description: 'Cut white space at both ends of text.' }),
    empty: scalar
      .optional()
      .meta({ title: 'Empty', description: 'Text that means "no value"; empty text then means it too. Without `empty`, "" is a value.', examples: ['00000000'] }),
    table: name.optional().meta({ title: 'Table', description: 'Look the value up in this table.', examples: ['country'] }),
    date: z
      .string()
      .min(1)
      .optional()
      .meta({ title: 'Date pattern', description: 'Reads text into dates, prints dates as text; the types decide.', examples: ['yyyyMMdd'] }),
    decimal: z.enum(['comma', 'point']).optional().meta({ title: 'Decimal mark', description: 'Reads numbers from text (`1.234,50`), or prints them.' }),
    default: scalar.optional().meta({ title: 'Default', description: 'Value when there is none: null, or a field that is missing. Alone it is a constant.', examples: ['EUR'] }),
    pad: z
      .number()
      .int()
      .min(1)
      .max(10_000)
      .optional()
      .meta({ title: 'Pad', description: 'Fill at the left up to this length.', examples: [8] }),
    with: z
      .union([z.string().length(1), z.number().int().min(0).max(9)])
      .transform(String)
      .optional()
      .meta({ title: 'Pad with', description: 'One character; `0` when absent.', examples: ['0'] }),
    each: expression.optional().meta({ title: 'Each', description: 'Expression that gives a list; `map` is applied to each element.', examples: ['record.lines'] }),
    as: z
      .string()
      .regex(/^[a-z_][A-Za-z0-9_]*$/)
      .optional()
      .meta({ title: 'As', description: 'Name of the element in `map`; `it` when absent.', examples: ['line'] }),
    get map() {
      return mapConfig.optional();
    },
  })
  .meta({ title: 'Field', description: 'One target field; the parts apply in the order from, trim, empty, table, date/decimal, default, pad.' });

export const mapConfig: z.ZodType<MapConfig, MapInput> = z
  .lazy(() => z.record(fieldName, z.union([expression, fieldConfig])))
  .meta({ title: 'Mapping', description: 'Each target field with an expression, or with the long form.' }) as z.ZodType<MapConfig, MapInput>;

const waitRange = z
  .string()
  .regex(/^\d{1,9}(ms|s|m|h|d)(\.\.\d{1,9}(ms|s|m|h|d))?$/, 'expected a range of durations such as 10s..30m')
  .transform((text) => {
    const [first = '', longest = first] = text.split('..');
    return { firstMs: parseDuration(first) ?? 0, longestMs: parseDuration(longest) ?? 0 };
  })
  .refine((wait) => wait.firstMs > 0 && wait.firstMs <= wait.longestMs, 'expected the shorter wait first, and more than 0');

export const retryConfig = z
  .strictObject({
    attempts: z
      .number()
      .int()
      .min(1)
      .max(100)
      .optional()
      .meta({ title: 'Attempts', description: 'In all, the first included.', examples: [6] }),
    wait: waitRange.optional().meta({ title: 'Wait', description: 'First and longest wait between attempts.', examples: ['10s..30m'] }),
    factor: z
      .number()
      .min(1)
      .max(10)
      .optional()
      .meta({ title: 'Factor', description: 'Each wait is this many times the one before.', examples: [3] }),
    jitter: z
      .string()
      .regex(/^(100|\d{1,2})%$/, 'expected a share such as 20%')
      .transform((text) => Number.parseInt(text, 10) / 100)
      .optional()
      .meta({ title: 'Jitter', description: 'Random share of each wait.', examples: ['20%'] }),
    only: z.literal('transient').optional().meta({ title: 'Only', description: 'Only failures that may pass are retried; there is no other choice.' }),
  })
  .meta({ title: 'Retry', description: 'When and how often a delivery is tried again.' });
export type RetryConfig = Readonly<z.infer<typeof retryConfig>>;

/** Far below the time after which a broker takes an unsettled message back (30 minutes). */
export const DEFAULT_HOLD_MS = 300_000;
export const defaultRetry: RetryPolicy = { attempts: 6, firstMs: 10_000, longestMs: 1_800_000, factor: 3, jitter: 0.2 };

export const defaultsConfig = z
  .strictObject({
    retry: retryConfig.optional(),
    dead_letter: notYet('`dead_letter` with keep and notify'),
  })
  .meta({ title: 'Defaults', description: 'What rules have unless they say otherwise.' });
export type DefaultsConfig = Readonly<z.infer<typeof defaultsConfig>>;

export const inboundRouteConfig = z
  .strictObject({
    from: endpointName.meta({ title: 'From', description: 'Inbound endpoint.' }),
    filter: expression.optional().meta({ title: 'Filter', description: 'Records for which this is false are filtered.', examples: ['record.STATUS != "DRAFT"'] }),
    publish: name.meta({ title: 'Publish', description: 'Canonical type the records become.', examples: ['Order'] }),
    key: expression.optional().meta({ title: 'Business key', description: 'What people search by; the key of the record when absent.', examples: ['order.id'] }),
    map: mapConfig,
    enrich: notYet('`enrich`'),
  })
  .meta({ title: 'Inbound route', description: 'From an endpoint to a canonical type.' });
export type InboundRouteConfig = Readonly<z.infer<typeof inboundRouteConfig>>;

export const ruleConfig = z
  .strictObject({
    name: name.meta({ title: 'Name', description: 'Unique in its route.', examples: ['accounting'] }),
    when: expression.optional().meta({ title: 'When', description: 'Condition; absent means always.', examples: ['order.total >= 1000'] }),
    to: endpointName.meta({ title: 'To', description: 'Outbound endpoint.' }),
    map: mapConfig,
    split: z
      .strictObject({
        each: expression.meta({ title: 'Each', description: 'Expression that gives a list: one delivery for each element.', examples: ['order.lines'] }),
        as: z
          .string()
          .regex(/^[a-z_][A-Za-z0-9_]*$/)
          .optional()
          .meta({ title: 'As', description: 'Name of the element; `it` when absent.', examples: ['line'] }),
        only: expression.optional().meta({ title: 'Only', description: 'Elements for which this is false are left out.', examples: ['line.kind == "GOODS"'] }),
      })
      .optional()
      .meta({ title: 'Split' }),
    idempotency_key: expression.optional().meta({ title: 'Idempotency key', description: 'Text by which the target recognises a repetition; the delivery id when absent.' }),
    retry: retryConfig.optional(),
    collect: notYet('`collect`'),
    enrich: notYet('`enrich`'),
  })
  .meta({ title: 'Rule', description: 'A condition, a target, and the mapping to its format.' });
export type RuleConfig = Readonly<z.infer<typeof ruleConfig>>;

export const orderByConfig = z
  .strictObject({
    key: expression.meta({ title: 'Key', description: 'Text or a number; a message without it is a dead letter.', examples: ['order.customer'] }),
    on_failure: z.enum(['park', 'skip']).default('park').meta({
      title: 'On failure',
      description:
        'A delivery that fails is tried again in its place, and only its own key waits. One that is given up: `park` keeps it and all later ones of its key until somebody releases the key (`signalbox parked`); `skip` puts it into the dead letters and goes on.',
    }),
    hold: duration({ min: '1s', max: '20m' })
      .default(DEFAULT_HOLD_MS)
      .meta({ title: 'Hold', description: 'How long a key waits for its first delivery, however many attempts `retry` allows; 5m when absent.', examples: ['5m'] }),
  })
  .meta({ title: 'Order by', description: 'The key of the order, and what happens when a delivery fails.' });
export type OrderByConfig = Readonly<z.infer<typeof orderByConfig>>;

/** The long form of `order_by`, undefined for a route without order. */
export function orderOf({ order_by: order }: OutboundRouteConfig): OrderByConfig | undefined {
  return typeof order === 'string' ? { key: order, on_failure: 'park', hold: DEFAULT_HOLD_MS } : order;
}

export const outboundRouteConfig = z
  .strictObject({
    subscribe: name.meta({ title: 'Subscribe', description: 'Canonical type.', examples: ['Order'] }),
    match: z.enum(['all', 'first']).default('all').meta({ title: 'Match', description: '`all`: every matching rule fires; `first`: the first one only.' }),
    deliver: z
      .array(ruleConfig)
      .max(100_000)
      .meta({ title: 'Deliver', description: 'Rules, top to bottom. Empty is for a type nobody takes yet: every message then goes to `otherwise`.' }),
    otherwise: z
      .strictObject({
        to: z.enum(['dead_letter', 'drop']).meta({ title: 'To', description: '`dead_letter`, or `drop`: the message is recorded as filtered.' }),
        reason: z
          .string()
          .min(1)
          .max(200)
          .optional()
          .meta({ title: 'Reason', examples: ['no rule matched'] }),
      })
      .optional()
      .meta({ title: 'Otherwise', description: 'What happens to a message no rule matched; dead letter when absent.' }),
    enrich: notYet('`enrich`'),
    order_by: z
      .union([expression, orderByConfig])
      .optional()
      .meta({
        title: 'Order by',
        description: 'Expression that gives the key whose messages every target gets one after the other, in the order they came; different keys go side by side.',
        examples: ['order.customer', { key: 'order.customer', on_failure: 'skip' }],
      }),
  })
  .meta({ title: 'Outbound route', description: 'From a canonical type by rules to endpoints.' });
export type OutboundRouteConfig = Readonly<z.infer<typeof outboundRouteConfig>>;

export const routeConfig = z.union([inboundRouteConfig, outboundRouteConfig]).meta({ title: 'Route' });
export type RouteConfig = InboundRouteConfig | OutboundRouteConfig;

/** The one schema of the two that `value` is meant for, so that problems are about the right one. */
export function routeSchema(value: unknown): typeof inboundRouteConfig | typeof outboundRouteConfig {
  const outbound = typeof value === 'object' && value !== null && ['subscribe', 'deliver', 'otherwise'].some((key) => key in value);
  return outbound ? outboundRouteConfig : inboundRouteConfig;
}

export const testConfig = z
  .strictObject({
    name: z
      .string()
      .min(1)
      .max(200)
      .meta({ title: 'Name', examples: ['a Swiss order above 1000 reaches all three targets'] }),
    now: z
      .string()
      .regex(/^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?Z?)?$/, 'expected a time such as 2026-03-02 08:00')
      .optional()
      .meta({ title: 'Now', description: 'The time the test runs at, in UTC; 2026-01-01 00:00 when absent. Tests never see the real clock.', examples: ['2026-03-02 08:00'] }),
    given: z
      .object({ set: z.record(z.string(), z.unknown()).optional().meta({ title: 'Set', description: 'Fields changed in every given record.' }) })
      .catchall(z.union([z.string(), z.record(z.string(), z.unknown()), z.array(z.record(z.string(), z.unknown()))]))
      .meta({ title: 'Given', description: 'Inbound endpoint (or type) with a sample file or inline records.', examples: [{ 'legacy.orders': 'samples/ord-4711.json' }] }),
    stub: notYet('`stub`'),
    expect: z
      .object({
        dead_letter: z
          .strictObject({
            code: z
              .string()
              .regex(/^E\d{3}$/, 'expected a code such as E311')
              .optional(),
            count: z.number().int().min(0).optional(),
          })
          .optional()
          .meta({ title: 'Dead letters', examples: [{ code: 'E311', count: 1 }] }),
        filtered: z
          .union([z.boolean(), z.number().int().min(0), z.string()])
          .optional()
          .meta({ title: 'Filtered', description: 'Number of filtered records, `true`, or the reason.' }),
      })
      .catchall(z.unknown())
      .meta({
        title: 'Expect',
        description: 'By type: fields of the canonical message. By system or endpoint: a list of lines as the target gets them, or `{count, body}`.',
        examples: [{ Order: { id: '4711' }, accounting: { count: 1, body: { Amount: 1234.5 } } }],
      }),
  })
  .meta({ title: 'Test', description: 'A test of the configuration, run offline by `signalbox test`.' });
export type TestConfig = Readonly<z.infer<typeof testConfig>>;
