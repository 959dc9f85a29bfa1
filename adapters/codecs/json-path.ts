// Finds an array below a path of names in a stream of JSON. Offsets stay: everything outside the array becomes blanks.

import { InvalidMessage } from '../contract/index.js';

const [QUOTE, BACKSLASH, COMMA, COLON, OPEN_LIST, CLOSE_LIST, OPEN, CLOSE] = [0x22, 0x5c, 0x2c, 0x3a, 0x5b, 0x5d, 0x7b, 0x7d];
const BLANK = 0x20;
const LONGEST_NAME = 1_024;

/** What is around the array is only looked at as far as it is needed to find it. @throws InvalidMessage E346 when it is not there, or is there twice */
export async function* onlyArray(bytes: AsyncIterable<Uint8Array>, path: readonly string[], source: string): AsyncGenerator<Uint8Array> {
  const name = path.join('.');
  const wrong = (text: string): InvalidMessage => new InvalidMessage('E346', `${source}: ${text}`, { place: source });
  let [offset, depth, matched, target] = [0, 0, 0, -1];
  let [inText, escaped, isKey, keyNext, keyFits, wanted, found, ended] = [false, false, false, false, false, false, false, false];
  let key: number[] = [];
  for await (const chunk of bytes) {
    const out = Buffer.alloc(chunk.length, BLANK);
    let from = target >= 0 ? 0 : -1;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] ?? 0;
      if (inText) {
        if (isKey && (byte !== QUOTE || escaped) && key.length <= LONGEST_NAME) key.push(byte);
        if (escaped) escaped = false;
        else if (byte === BACKSLASH) escaped = true;
        else if (byte === QUOTE) {
          inText = false;
          if (isKey) keyFits = nameOf(key) === path[matched];
          isKey = false;
        }
        continue;
      }
      if (byte === BLANK || byte === 0x0a || byte === 0x0d || byte === 0x09) continue;
      if (depth === 0 && (byte !== OPEN || ended)) throw wrong(ended ? `unexpected text after the document at offset ${offset + at}` : `expected an object with ${name}`);
      if (wanted && byte !== (matched + 1 === path.length ? OPEN_LIST : OPEN))
        throw wrong(`${path.slice(0, matched + 1).join('.')} is no ${matched + 1 === path.length ? 'array' : 'object'}`);
      if (byte === QUOTE) {
        inText = true;
        if (target < 0 && keyNext && depth === matched + 1) [isKey, key] = [true, []];
        keyNext = false;
      } else if (byte === COLON) {
        [wanted, keyFits] = [keyFits, false];
      } else if (byte === COMMA) keyNext = true;
      else if (byte === OPEN || byte === OPEN_LIST) {
        if (wanted && matched + 1 < path.length) matched++;
        else if (wanted) {
          if (found) throw wrong(`${name} is there twice`);
          [found, target, from] = [true, depth, at];
        }
        wanted = false;
        depth++;
        keyNext = byte === OPEN;
      } else if (byte === CLOSE || byte === CLOSE_LIST) {
        depth--;
        if (depth === target) {
          out.set(chunk.subarray(from, at + 1), from);
          target = -1;
        } else if (target < 0 && matched > 0 && depth === matched) matched--;
        ended = depth === 0;
      }
    }
    if (target >= 0) out.set(chunk.subarray(from), from);
    offset += chunk.length;
    yield out;
  }
  if (!ended) throw wrong('the document is not complete');
  if (!found) throw wrong(`there is no ${name}`);
}

function nameOf(bytes: readonly number[]): string | undefined {
  try {
    const name: unknown = JSON.parse(`"${Buffer.from(bytes).toString('utf8')}"`);
    return typeof name === 'string' ? name : undefined;
  } catch {
    // A name that is no text is none that is looked for.
    return undefined;
  }
}
