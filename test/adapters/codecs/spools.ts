import { readdirSync, readlinkSync } from 'node:fs';

/** Spools of this process that are still open. A spool has no name any more, so there is nothing to look for in the folder, and nothing to remove. */
export function openSpools(): readonly string[] {
  return readdirSync('/proc/self/fd').flatMap((descriptor) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${descriptor}`);
      return /signalbox-[0-9a-f]{24}\.tmp/.test(target) ? [target] : [];
    } catch {
      // The descriptor of the listing itself is closed by now.
      return [];
    }
  });
}
