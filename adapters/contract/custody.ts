// What an endpoint that reads files notes about each (EndpointState), in the form that commands read it; and what they ask of it.

/** Prefixes of the notes. */
export const CUSTODY_NOTES = {
  /** One `FileCustody` for each file that was claimed, by its id: oldest first. */
  files: 'custody/',
  /** One `Sighting` for each file that lies in the folder and is not read yet, by its path. */
  seen: 'seen/',
  /** One `CustodyRequest` each, removed when the endpoint has heard it: at its next poll. */
  requests: 'ask/',
} as const;

/**
 * `seen`: in the folder, watched until it is complete. `held`: waits for a file before it, or for a person. `claimed`: taken out of its sender's hands.
 * `progress`: some of its records are on the bus. `done`: all of them are. `cleanup`: they are, and it could not be put away yet; it is never read again.
 * `archived`, `failed`: it lies in the archive or the error folder.
 */
export type FileState = 'seen' | 'held' | 'claimed' | 'progress' | 'done' | 'cleanup' | 'archived' | 'failed';

export const FILE_STATES = ['seen', 'held', 'claimed', 'progress', 'done', 'cleanup', 'archived', 'failed'] as const satisfies readonly FileState[];

/** The life of one file. All times are milliseconds since the epoch. */
export interface FileCustody {
  /** Of one that is not claimed yet its path. */
  readonly id: string;
  /** Path below the folder that is read. */
  readonly name: string;
  readonly state: FileState;
  /** Where it lies, as the adapter's paths go. */
  readonly place: string;
  readonly size: number;
  /** SHA-256 of its content. */
  readonly hash?: string;
  /** Its records are `<identity>:<number>`, numbers from 1 to `records`. */
  readonly identity?: string;
  /** Records on the bus; when it is done, all it has. */
  readonly records: number;
  readonly accepted: number;
  readonly filtered: number;
  readonly dead: number;
  /** Why it is held, failed, or was not read. */
  readonly reason?: string;
  /** A rule put it aside before anything of it was read: into the archive, or into the error folder. */
  readonly unread?: 'skipped' | 'rejected';
  readonly seenAt: number;
  readonly claimedAt?: number;
  readonly doneAt?: number;
  readonly endedAt?: number;
  /** Who had it read (again), and why. */
  readonly by?: string;
  /** The id under which it was read after this. */
  readonly readAgainAs?: string;
}

export interface Sighting {
  readonly at: number;
  readonly size: number;
  /** Why it is held. */
  readonly reason?: string;
}

export interface CustodyRequest {
  /** `release`: read what is held or was rejected. `reprocess`: read one that was read, under another identity. */
  readonly action: 'release' | 'reprocess';
  /** `FileCustody.id`. */
  readonly id: string;
  /** Who asks, and why. */
  readonly by: string;
  readonly at: number;
}
