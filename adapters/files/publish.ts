import { reached } from '../../bus/failpoint.js';
import { codecOf } from '../codecs/format.js';
import { type Delivery, InvalidMessage, Misconfigured, type Outbound, parseTemplate, type Receipt, TryAgain } from '../contract/index.js';
import { nameProblem, shownName } from './names.js';
import type { WriteOptions } from './options.js';
import { type FileSpace, joinPath, splitPath } from './space.js';

/**
 * One file per delivery, seen by its reader only when it is complete: written as `.name.id.part` beside its place, made durable, renamed.
 * The name comes from the message alone, so a repeat finds its own file and changes nothing.
 */
export function publish(space: FileSpace, options: WriteOptions): Outbound {
  const codec = codecOf(options);
  const { folder, name: pattern } = splitPath(options.path);
  const template = parseTemplate(pattern);
  if (typeof template === 'string') throw new Misconfigured('E440', template);

  // What differs each time is known by the delivery's id in its name.
  const isNamed = codec.repeatable === false && pattern.includes('{id}');

  const same = async (path: string, bytes: Uint8Array, signal: AbortSignal): Promise<boolean> => {
    const entry = await space.stat(path, signal);
    if (entry?.kind !== 'file' || entry.size !== bytes.length) return false;
    let at = 0;
    for await (const chunk of (await space.read(path, signal)) ?? []) {
      if (Buffer.compare(chunk, bytes.subarray(at, at + chunk.length)) !== 0) return false;
      at += chunk.length;
    }
    return at === bytes.length;
  };

  return {
    async open(signal) {
      await space.open(signal);
      const entry = await space.stat(folder, signal);
      if (!entry) throw new Misconfigured('E440', `the folder ${folder} does not exist`);
    },
    async send(delivery, signal): Promise<Receipt> {
      signal.throwIfAborted();
      const name = fileName(template.render(delivery, placeText));
      const path = joinPath(folder, name);
      if (isNamed && (await space.stat(path, signal))?.kind === 'file') return { detail: path, duplicate: true };
      const bytes = await codec.encode([delivery.payload]);
      const detail = `${path} ${bytes.length} B`;
      if (options.exists === 'replace' && (await same(path, bytes, signal))) return { detail, duplicate: true };
      const part = joinPath(folder, partName(name, delivery));
      await space.write(part, bytes, signal);
      const result = await space.rename(part, path, options.exists === 'replace' ? 'replace' : 'new', signal);
      if (result === 'renamed') {
        reached('file.renamed');
        await space.syncFolder(folder, signal);
        reached('file.folder.synced');
        return { detail };
      }
      // Someone else renamed the same part (two nodes with one delivery), or a file is there already.
      const duplicate = isNamed || (await same(path, bytes, signal));
      await space.remove(part, signal);
      if (duplicate) return { detail, duplicate: true };
      if (result === 'missing') throw new TryAgain('E447', `${joinPath(folder, partName(name, delivery))} disappeared before it was renamed`);
      throw new InvalidMessage('E351', `${path} exists with another content`, { place: path });
    },
    // The space belongs to the system; its other endpoints go on using it.
    close: () => Promise.resolve(),
  };
}

function placeText(text: string): string {
  const problem = nameProblem(text);
  if (problem) throw new InvalidMessage('E352', `${shownName(text)} cannot be part of a file name: ${problem}`);
  return text;
}

function fileName(name: string): string {
  const problem = name.startsWith('.') ? 'the name starts with a dot' : nameProblem(name);
  if (problem) throw new InvalidMessage('E352', `${shownName(name)}: ${problem}`);
  return name;
}

function partName(name: string, delivery: Delivery): string {
  return `.${name}.${delivery.id.replace(/[^A-Za-z0-9-]/g, '_').slice(0, 40)}.part`;
}
