import { countParts } from '../../bus/store/summary.js';
import { type Expected, expected, type Input } from './routing.js';
import type { World } from './world.js';

/** Whether every part of an input is in a durable place now: asked at the moment somebody is told that it is. */
export function isStored(world: World, input: Input): boolean {
  const { storeServer, partners } = world;
  const { messageId, deliveries, dead } = expected(input);
  if (input.kind === 'skip') return storeServer.messages.has(messageId);
  return (
    dead.every((id) => storeServer.letters.has(id)) &&
    deliveries.every(
      ({ id, endpoint }) =>
        storeServer.letters.has(id) ||
        [...storeServer.parked.values()].some((lane) => lane.deliveries.has(id)) ||
        storeServer.ledger.has(id) ||
        partners.some(({ spec, byId }) => spec.name === endpoint && byId.has(id)) ||
        isInChannel(world, endpoint, id),
    )
  );
}

/** What is kept though all is done: what grows with every message fills the memory in a year. */
export function keptInMemory(world: World): readonly string[] {
  return world.nodes.flatMap(({ process }) =>
    process ? [...collections(process.supervisor, process.life.name)].flatMap(([path, size]) => (size > 0 ? [`${path} still holds ${size}`] : [])) : [],
  );
}

/** Everything that must be true in the end. */
export function checkEnd(world: World, isQuiet: boolean): void {
  const { context, storeServer } = world;
  if (!isQuiet) return; // what waits is neither lost nor done
  for (const one of world.expected) {
    const message = storeServer.messages.get(one.messageId);
    if (!message) context.violated(`${one.input.id}: its message is not in the history`);
    else checkMessage(world, one);
  }
  for (const [id, { state }] of storeServer.ledger) {
    // What was set aside because it had ended the process so often keeps it: whoever hands it out again has to ask first.
    if (state === 'sending' && storeServer.letters.get(id)?.code !== 'E502') context.violated(`the ledger says that ${id.slice(0, 6)} is being sent`);
  }
  const ids = new Set(world.expected.flatMap(({ deliveries }) => deliveries.map(({ id }) => id)));
  for (const { spec, effects } of world.partners) {
    for (const { id, n } of effects) if (!ids.has(id)) context.violated(`${spec.name} got ${id.slice(0, 6)} n=${n}, which nobody sent`);
  }
  for (const { id, code, reason } of storeServer.letters.values()) if (code === 'E500') context.violated(`letter ${id.slice(0, 6)}: a bug in the core: ${reason}`);
  checkOrder(world);
  checkKeys(world);
}

function checkMessage(world: World, { input, messageId, deliveries, dead }: Expected): void {
  const { context, storeServer, partners, nemesis } = world;
  const parts = storeServer.messages.get(messageId)?.parts ?? new Map();
  const state = countParts(parts).state;
  if (state === 'active') context.violated(`${input.id}: its history says active: ${JSON.stringify([...parts])}`);
  if (input.kind === 'skip' && state !== 'filtered') context.violated(`${input.id}: should be filtered, is ${state}`);
  for (const id of dead) if (!storeServer.letters.has(id)) context.violated(`${input.id}: should be a dead letter`);
  for (const { id, endpoint } of deliveries) {
    const partner = partners.find(({ spec }) => spec.name === endpoint);
    const effects = partner?.byId.get(id) ?? [];
    const letter = storeServer.letters.get(id);
    const what = `${input.id} to ${endpoint} (${id.slice(0, 6)})`;
    if (effects.some(({ n }) => n !== BigInt(input.n))) context.violated(`${what}: another payload arrived`);
    const part = parts.get(id);
    switch (part) {
      case 'd':
        if (effects.length === 0) context.violated(`${what}: the history says delivered, but it was not`);
        if (letter?.state === 'open') context.violated(`${what}: it was delivered, but a dead letter is open`);
        break;
      case 'x':
        // An event that nobody knew to be stored is written again, perhaps after a person has closed the letter.
        if (letter?.state !== 'open' && !(nemesis.hasUnknownWrites && letter))
          context.violated(`${what}: the history says dead, but no dead letter is open (${letter?.state ?? 'none'})`);
        break;
      case 'c':
        if (letter?.state !== 'discarded' && !partner?.isCareful) context.violated(`${what}: the history says discarded, the letter is ${letter?.state ?? 'not there'}`);
        break;
      case 'p':
        if (partner?.spec.ordered === 'park') break;
        if (!partner?.isCareful) context.violated(`${what}: parked, although it may be sent again`);
        if (storeServer.ledger.get(id)?.state !== 'unknown') context.violated(`${what}: parked, but the ledger says ${storeServer.ledger.get(id)?.state ?? 'nothing'}`);
        if (![...storeServer.parked.values()].some((lane) => lane.deliveries.has(id))) context.violated(`${what}: the history says parked, but it is not there`);
        break;
      default:
        context.violated(`${what}: ended as ${part ?? 'nothing'}`);
    }
    // Nobody knows of a call whose process ended; that it had no effect is one of the two answers.
    const isUnknown = part === 'p' && partner?.isCareful;
    if (effects.length === 0 && part !== 'd' && part !== 'c' && !isUnknown && !mayDie(world, input, endpoint))
      context.violated(`${what}: it did not arrive, and nothing was wrong with it`);
  }
}

/** Whether a partner ever had a reason not to take it. */
function mayDie({ partners }: World, { fate }: Input, endpoint: string): boolean {
  return fate === 'invalid' || fate === 'never' || partners.some(({ spec, failures }) => spec.name === endpoint && failures > 0);
}

/** Without failures a target that takes one at a time gets what a table says in its order. */
function checkOrder({ context, nemesis, nodes, partners, expected: all, table }: World): void {
  if (!nemesis.isCalm || nodes.length > 1) return;
  const places = new Map(all.flatMap(({ input, deliveries }) => deliveries.map(({ id }) => [id, input.fate === 'ok' ? table.rows.indexOf(input) : -1] as const)));
  for (const { spec, effects } of partners) {
    if (spec.parallel !== 1) continue;
    const order = effects.map(({ id }) => places.get(id) ?? -1).filter((place) => place >= 0);
    if (order.some((place, index) => place < (order[index - 1] ?? -1))) context.violated(`${spec.name} got the rows of the table in the order ${order.join(' ')}`);
  }
}

/** Whatever failed: an ordered target gets what a table says of one key in its order, but for what a person has handed out again. */
function checkKeys({ context, partners, expected: all, table, storeServer }: World): void {
  const inputs = new Map(all.flatMap(({ input, messageId, deliveries }) => deliveries.map(({ id }) => [id, { input, messageId }] as const)));
  for (const { spec, byId } of partners) {
    if (!spec.ordered) continue;
    const last = new Map<string, number>();
    for (const id of byId.keys()) {
      const found = inputs.get(id);
      const place = found ? table.rows.indexOf(found.input) : -1;
      if (!found || place < 0 || storeServer.messages.get(found.messageId)?.events.some(({ kind }) => kind === 'redelivered')) continue;
      const before = last.get(found.input.key) ?? -1;
      if (place < before) context.violated(`${spec.name} got row ${place} of ${found.input.key} after row ${before}`);
      last.set(found.input.key, Math.max(before, place));
    }
  }
}

function isInChannel({ brokerServer }: World, endpoint: string, id: string): boolean {
  return [...brokerServer.channels.keys()].some((name) => name.startsWith(`target.${endpoint}`) && brokerServer.holds(name, id));
}

/** Sizes of all maps, sets and lists in the parts of the endpoints that run, as deep as the runtime's own objects go. */
function collections(root: object, name: string): readonly (readonly [path: string, size: number])[] {
  const found: [string, number][] = [];
  const seen = new Set<object>();
  const walk = (value: unknown, path: string, isWanted: boolean): void => {
    if (typeof value !== 'object' || value === null || seen.has(value)) return;
    seen.add(value);
    if (value instanceof Map || value instanceof Set || Array.isArray(value)) {
      if (isWanted) found.push([path, Array.isArray(value) ? value.length : value.size]);
      for (const item of value.values()) walk(item, path, isWanted);
      return;
    }
    const type = value.constructor.name;
    if (!OWN.has(type)) return;
    for (const [key, item] of Object.entries(value)) if (!ALLOWED.has(`${type}.${key}`)) walk(item, `${path} ${type}.${key}`, isWanted || ENDPOINTS.has(type));
  };
  walk(root, name, false);
  return found;
}

const ENDPOINTS: ReadonlySet<string> = new Set(['Target', 'PolledSource', 'ListeningSource', 'Intake', 'DurablePublisher']);
/** The runtime's own objects; a plain object is one of its records. */
const OWN: ReadonlySet<string> = new Set([...ENDPOINTS, 'Supervisor', 'Object', 'Link', 'DeliveryJournal', 'Outage', 'Suspects', 'Gate', 'EndpointHealth']);
/** What is no work: configuration, and the failures seen since the last success. */
const ALLOWED: ReadonlySet<string> = new Set([
  'RunningSystem.plan',
  'Object.plan',
  'Object.connected',
  'Object.config',
  'Target.services',
  'PolledSource.services',
  'Target.config',
  'PolledSource.config',
  'Outage.failing',
]);
