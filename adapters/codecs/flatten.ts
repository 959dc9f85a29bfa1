// The way back: payloads with their lists as physical records, between a header and a trailer with the totals of what is written.

import { InvalidMessage, isRecord, newRecord, type Value, type ValueRecord } from '../contract/index.js';
import { HEADER, type Plan, TRAILER } from './grouping.js';
import { Totals } from './totals.js';

export interface Physical {
  readonly kind: string;
  readonly value: ValueRecord;
}

/** A whole file of these payloads. @throws InvalidMessage E348 */
export function wholeFile(plan: Plan, payloads: readonly ValueRecord[]): readonly Physical[] {
  const records = payloads.flatMap((payload) => flatten(plan, payload));
  const around = (plan.header ? 1 : 0) + (plan.trailer ? 1 : 0);
  const control = (kind: string, options: Plan['header']): readonly Physical[] => {
    if (!options) return [];
    const totals = new Totals(options, plan.decimal);
    for (const { kind: name, value } of records) totals.add(name, value);
    return [{ kind, value: totals.stated(around) }];
  };
  return [...control(HEADER, plan.header), ...records, ...control(TRAILER, plan.trailer)];
}

/** One payload, without header and trailer. @throws InvalidMessage E348 */
export function flatten(plan: Plan, payload: ValueRecord): readonly Physical[] {
  const top = [...plan.kinds].filter(([, { below }]) => !below).map(([name]) => name);
  const said = plan.typeField === undefined ? top[0] : payload[plan.typeField];
  if (typeof said !== 'string' || !top.includes(said)) {
    throw new InvalidMessage('E348', `${plan.typeField} says which record is written: one of ${top.join(', ')}`);
  }
  const { [plan.typeField ?? '']: _, ...rest } = payload;
  return below(plan, said, plan.typeField === undefined ? payload : rest);
}

function below(plan: Plan, kind: string, payload: ValueRecord): readonly Physical[] {
  const children = plan.kinds.get(kind)?.children ?? {};
  const value = newRecord();
  for (const [name, field] of Object.entries(payload)) {
    if (!Object.hasOwn(children, name) && name !== plan.header?.as) value[name] = field;
  }
  const lists = Object.entries(children).flatMap(([list, child]) => elements(payload[list] ?? [], list).flatMap((element) => below(plan, child, element)));
  return [{ kind, value }, ...lists];
}

function elements(value: Value, list: string): readonly ValueRecord[] {
  if (!Array.isArray(value)) throw new InvalidMessage('E348', `${list} takes a list of records`);
  return (value as readonly Value[]).map((element) => {
    if (!isRecord(element)) throw new InvalidMessage('E348', `an element of ${list} is no record`);
    return element;
  });
}
