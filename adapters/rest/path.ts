import { InvalidMessage } from '../contract/index.js';

/** One value as part of a path: it cannot end its segment, nor begin a query. @throws InvalidMessage */
export function segment(text: string): string {
  if (!text.isWellFormed()) throw new InvalidMessage('E361', 'a value for the address is no well-formed text');
  return encodeURIComponent(text);
}

/** @throws InvalidMessage when a value made a segment that means another place */
export function plainPath(path: string): string {
  const [before = ''] = path.split('?', 1);
  if (before.split('/').some((each) => /^(\.|%2e){1,2}$/i.test(each))) throw new InvalidMessage('E361', 'a value for the address is `.` or `..`');
  return path;
}
