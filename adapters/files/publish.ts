import type { Codec } from '../codecs/codec.js';
import { codecOf } from '../codecs/format.js';
import { Misconfigured, type Outbound, parseTemplate, type Receipt } from '../contract/index.js';
import type { WriteOptions } from './options.js';
import { fileName, markerName, place, placeText } from './place.js';
import { type FileSpace, joinPath, splitPath } from './space.js';

/** One file per delivery. The name comes from the message alone, so a repeat finds its own file and changes nothing. */
export function publish(space: FileSpace, options: WriteOptions): Outbound {
  const codec = codecOf(options);
  const { folder, name: pattern } = splitPath(options.path);
  const template = parseTemplate(pattern);
  if (typeof template === 'string') throw new Misconfigured('E440', template);

  return {
    open: (signal) => openFolder(space, codec, folder, signal),
    async send(delivery, signal): Promise<Receipt> {
      signal.throwIfAborted();
      const name = fileName(template.render(delivery, placeText));
      const bytes = await codec.encode([delivery.payload]);
      const isOwnName = codec.repeatable === false && pattern.includes('{id}');
      const duplicate = await place(space, { folder, name, bytes, token: delivery.id, exists: options.exists, isOwnName, marker: markerName(options.marker, name) }, signal);
      return { detail: `${joinPath(folder, name)} ${bytes.length} B`, ...(duplicate ? { duplicate } : {}) };
    },
    // The space belongs to the system; its other endpoints go on using it.
    close: () => Promise.resolve(),
  };
}

export async function openFolder(space: FileSpace, codec: Codec, folder: string, signal: AbortSignal): Promise<void> {
  await codec.ready?.();
  await space.open(signal);
  if (!(await space.stat(folder, signal))) throw new Misconfigured('E440', `the folder ${folder} does not exist`);
}
