import { Command } from 'commander';
import type { MessageSummary } from '../../bus/store/contract.js';
import type { Service } from '../../console/service.js';
import { coded } from '../failure.js';
import { emit, talk } from '../output.js';
import { withContent } from '../payload.js';
import { connect, globals } from '../session.js';
import { plural } from '../text.js';
import { traceText } from '../trace-text.js';

export function traceCommand(): Command {
  return new Command('trace')
    .description('Show what happened to a message, step by step')
    .argument('<id|key>', 'message id, its first 8 characters or more, or a business key')
    .option('-p, --payloads', 'show the content at each step')
    .action(async (reference: string, options: { readonly payloads?: true }, command: Command) => {
      const all = globals(command);
      const service = await connect(all);
      const message = await findOne(service, reference);
      const found = await service.events(message.id);
      const events = options.payloads === true ? await withContent(service, found) : found;
      emit(all.output, events, () => traceText(message, events, options.payloads === true));
    });
}

/** The newest message the reference fits; others are named on stderr. */
export async function findOne(service: Service, reference: string): Promise<MessageSummary> {
  const found = [...(await service.findMessages(reference))].sort((a, b) => b.at - a.at);
  const [newest, ...older] = found;
  if (newest === undefined) {
    throw coded('E552', `no message has the id or key ${reference}`, { hint: 'A record that could not be mapped has no key yet: `signalbox messages search state=dead`.' });
  }
  if (older.length > 0) {
    const names = older.slice(0, 5).map(({ id }) => id);
    talk(`${plural(found.length, 'message')} fit; this is the newest. Others: ${names.join(' ')}${older.length > names.length ? ' ...' : ''}`);
  }
  return newest;
}
