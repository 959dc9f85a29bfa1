import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import type { MessageSummary, StoredEvent } from '../../bus/store/contract.js';
import type { Service } from '../../console/service.js';
import { MOST_ROWS } from '../../console/wire.js';
import { emit, talk } from '../output.js';
import { payloadText, withContent } from '../payload.js';
import { parseQuery } from '../query.js';
import { connect, globals } from '../session.js';
import { pairs, table } from '../table.js';
import { age, clockTime, dateTime, duration, paint, plural, safe } from '../text.js';
import { delivered, eventWhere, eventWord, messageState } from '../trace-text.js';
import { wholeNumber } from '../values.js';
import { findOne } from './trace.js';

export function messagesCommand(): Command {
  const messages = new Command('messages').description('Search and show what went through');
  messages
    .command('search')
    .description("Search messages, newest first: 'key=4711 state=dead since=2h'")
    .argument('[query...]', 'key, type, source, route, endpoint, state, code, since, until; a word alone is a key')
    .option('-n, --limit <count>', `at most so many rows, up to ${MOST_ROWS}`, wholeNumber(1, MOST_ROWS), 50)
    .action(async (words: readonly string[], options: { readonly limit: number }, command: Command) => {
      const all = globals(command);
      const query = parseQuery(words.join(' '), options.limit, Date.now());
      const found = await (await connect(all)).searchMessages(query);
      emit(all.output, found, () => (found.length === 0 ? 'no messages' : summaryTable(found)));
      const { source, endpoint } = query;
      const system = [source, endpoint].find((name) => name !== undefined && !name.includes('.'));
      if (found.length === 0 && system !== undefined) talk(`${system} is no endpoint: write system.endpoint, such as ${system}.orders`);
      if (found.length === options.limit) talk(`the newest ${options.limit}; there may be more: --limit`);
    });
  messages
    .command('show')
    .description('Show one message with its content')
    .argument('<id|key>')
    .action(async (reference: string, _: unknown, command: Command) => {
      const all = globals(command);
      const service = await connect(all);
      const message = await findOne(service, reference);
      const events = await withContent(service, await service.events(message.id));
      emit(all.output, { ...message, events }, () => messageText(message, events));
    });
  messages
    .command('tail')
    .description('Follow what happens, step by step, until Ctrl-C')
    .action(async (_: unknown, command: Command) => {
      const all = globals(command);
      const service = await connect(all);
      talk('following; Ctrl-C ends');
      for await (const event of follow(service)) emit(all.output === 'table' ? 'table' : 'ndjson', event, () => tailLine(event));
    });
  return messages;
}

function summaryTable(list: readonly MessageSummary[]): string {
  return table(
    ['MESSAGE', 'KEY', 'TYPE', 'SOURCE', 'WHEN', 'STATE', 'DELIVERED'],
    list.map((message) => [
      safe(message.id),
      safe(message.key ?? ''),
      safe(message.type ?? ''),
      safe(message.source),
      dateTime(message.at),
      messageState(message.state),
      delivered(message),
    ]),
  );
}

function messageText(message: MessageSummary, events: readonly StoredEvent[]): string {
  const head = pairs([
    ['message', paint('bold', safe(message.id))],
    ['key', message.key === undefined ? undefined : safe(message.key)],
    ['type', message.type === undefined ? undefined : safe(message.type)],
    ['source', safe(message.source)],
    ['state', `${messageState(message.state)}  ${delivered(message)}`],
    ['received', `${dateTime(message.at)}  ${age(message.at)}`],
    ['last change', `${dateTime(message.lastAt)}  after ${duration(message.lastAt - message.at)}`],
    ['trace', message.traceparent === undefined ? undefined : safe(message.traceparent)],
    ['steps', `${plural(events.length, 'step')}    signalbox trace ${safe(message.id)}`],
  ]);
  const contents = events
    .filter((event): event is StoredEvent & { data: string } => event.data !== undefined)
    .map((event) => `${paint('bold', eventWord(event.kind))} ${eventWhere(event)}\n${payloadText(event.data, '  ')}`);
  return [head, ...contents].join('\n\n');
}

async function* follow(service: Service): AsyncIterable<StoredEvent> {
  const [newest] = await service.searchMessages({ limit: 1 });
  let after = newest === undefined ? 0 : Math.max(0, ...(await service.events(newest.id)).map(({ seq }) => seq));
  for (;;) {
    const events = await service.tail(after, 1_000);
    yield* events;
    after = events.at(-1)?.seq ?? after;
    if (events.length === 0) await sleep(1_000);
  }
}

function tailLine(event: StoredEvent): string {
  const parts = [clockTime(event.at), safe(event.message?.key ?? event.messageId), eventWord(event.kind), eventWhere(event), safe(event.code ?? ''), safe(event.detail ?? '')];
  return parts.filter((part) => part !== '').join('  ');
}
