// The configuration of the guide as the loader would hand it over, and small helpers for tests of routing.
import { parse } from 'yaml';
import type { FieldTypes } from '../../adapters/contract/spec.js';
import { Decimal } from '../../bus/decimal.js';
import type { Finding } from '../../bus/finding.js';
import type { Handler } from '../../bus/handler.js';
import type { SourceRecord } from '../../bus/record.js';
import { isRecord, type Value, type ValueRecord } from '../../bus/value.js';
import { compileRoutes } from '../../routes/compile.js';
import type { EndpointFields, LoadedTable, RoutesInput } from '../../routes/input.js';
import { defaultsConfig, routeSchema, tableConfig, testConfig, typeConfig } from '../../routes/model.js';

export const ordersYaml = `
types:
  Order:
    id: required text
    customer: required text 8
    country: required text 2
    currency: text 3
    due: date
    total: required decimal 12.2
    lines: required list of OrderLine
  OrderLine: {sku: required text, kind: text, qty: required integer, price: decimal 12.2}
tables:
  country: {rows: {"040": AT, "756": CH, "276": DE, "840": US}}
defaults:
  retry: {attempts: 6, wait: 10s..30m, factor: 3, jitter: 20%, only: transient}
routes:
  orders-in:
    from: legacy.orders
    filter: record.STATUS != "DRAFT"
    publish: Order
    key: order.id
    map:
      id: trim(record.ORD_NO)
      customer: {from: record.CUST, pad: 8, with: "0"}
      country: {from: record.CTRY, table: country}
      currency: {from: record.CUR, default: EUR}
      due: {from: record.DUE_DT, date: yyyyMMdd, empty: "00000000"}
      total: {from: record.AMT, decimal: comma}
      lines: {each: record.lines, map: {sku: it.ART, kind: it.KND, qty: it.QTY, price: it.PRICE}}
  orders-out:
    subscribe: Order
    deliver:
      - name: erp
        when: order.country in ["DE", "AT", "CH"]
        to: erp.orders
        map: {ORDNO: order.id, CUSTNO: order.customer, DUE: order.due, TOTAL: order.total}
      - name: accounting
        when: order.total >= 1000
        to: accounting.BookInvoice
        retry: {attempts: 12, wait: 1m..6h}
        map: {Ref: order.id, Amount: order.total, Currency: order.currency, PostingDate: {from: today(), date: yyyy-MM-dd}}
      - name: shipping
        when: order.lines.exists(l, l.kind == "GOODS")
        split: {each: order.lines, as: line, only: line.kind == "GOODS"}
        to: shipping.createShipment
        idempotency_key: order.id + "/" + line.sku
        map: {reference: order.id, sku: line.sku, quantity: line.qty}
    otherwise: {to: dead_letter, reason: no rule matched}
`;

const line: FieldTypes = { ART: 'text', KND: 'text', QTY: 'integer', PRICE: 'decimal' };
export const legacyFields: FieldTypes = { ORD_NO: 'text', CUST: 'text', CTRY: 'text', CUR: 'text', DUE_DT: 'text', AMT: 'text', STATUS: 'text', CHG_TS: 'timestamp', lines: { list: line } };

export const sample: ValueRecord = values({
  ORD_NO: '4711      ',
  CUST: '815',
  CTRY: '756',
  CUR: null,
  DUE_DT: '20260301',
  AMT: '1.234,50',
  STATUS: 'NEW',
  CHG_TS: '2026-03-02T07:59:00Z',
  lines: [
    { ART: 'A-1', KND: 'GOODS', QTY: 2, PRICE: '600.00' },
    { ART: 'S-1', KND: 'SERVICE', QTY: 1, PRICE: '4.50' },
    { ART: 'A-2', KND: 'GOODS', QTY: 3, PRICE: '10.00' },
  ],
});

export const now = new Date('2026-03-02T08:00:00Z');

export interface Changes {
  readonly sources?: Readonly<Record<string, FieldTypes | undefined>>;
  readonly targets?: Readonly<Record<string, FieldTypes | undefined>>;
}

/** Parses YAML with the schemas, as the loader does. */
export function inputOf(yaml: string, { sources = { 'legacy.orders': legacyFields }, targets = {} }: Changes = {}): RoutesInput {
  const root = parse(yaml) as Record<string, Record<string, unknown>>;
  const known: Readonly<Record<string, FieldTypes | undefined>> = {
    'erp.orders': { ORDNO: 'text', CUSTNO: 'text', DUE: 'date', TOTAL: 'decimal' },
    'accounting.BookInvoice': undefined,
    'shipping.createShipment': undefined,
    ...targets,
  };
  return {
    revision: 1,
    types: mapped(root['types'], (type) => typeConfig.parse(type)),
    tables: mapped(root['tables'], tableOf),
    routes: mapped(root['routes'], (route) => routeSchema(route).parse(route)),
    defaults: defaultsConfig.parse(root['defaults'] ?? {}),
    sources: endpoints(sources),
    targets: endpoints(known),
    placeOf: (path) => path.join('/'),
  };
}

export function compile(yaml: string, changes?: Changes): { readonly findings: readonly Finding[]; readonly handler: Handler | undefined } {
  const compiled = compileRoutes(inputOf(yaml, changes));
  return { findings: compiled.findings, handler: compiled.build(41) };
}

export function handlerOf(yaml: string, changes?: Changes): Handler {
  const { findings, handler } = compile(yaml, changes);
  if (!handler) throw new Error(findings.map((finding) => `${finding.code} ${finding.path.join('/')} ${finding.message}`).join('\n'));
  return handler;
}

export function recordOf(changes: Readonly<Record<string, unknown>> = {}, id = '4711'): SourceRecord {
  return { id, value: { ...sample, ...values(changes) }, key: `ORD_NO=${id}` };
}

/** Plain test data as values: whole numbers become bigint, other numbers exact decimals. */
export function values(record: Readonly<Record<string, unknown>>): ValueRecord {
  const value = valueOf(record);
  return isRecord(value) ? value : {};
}

export function valueOf(value: unknown): Value {
  if (Array.isArray(value)) return value.map(valueOf);
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : Decimal.of(value);
  if (value instanceof Decimal || typeof value !== 'object' || value === null) return (value ?? null) as Value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, valueOf(field)]));
}

export function testOf(yaml: string) {
  return testConfig.parse(parse(yaml));
}

function tableOf(table: unknown): LoadedTable {
  const config = tableConfig.parse(table);
  return { config, rows: new Map('rows' in config ? Object.entries(config.rows) : []) };
}

function mapped<T>(record: Record<string, unknown> | undefined, convert: (value: unknown) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(record ?? {}).map(([name, value]) => [name, convert(value)]));
}

function endpoints(fields: Readonly<Record<string, FieldTypes | undefined>>): Map<string, EndpointFields> {
  return new Map(Object.entries(fields).map(([name, types]) => [name, { fields: types, ...(types ? { origin: `fields of ${name}` } : {}) }]));
}
