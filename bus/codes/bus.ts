import type { CodeTable } from './code.js';

/** E5xx: the bus itself: broker, store, runtime, commands. */
export const busCodes = {
  E500: {
    title: 'an unexpected error inside Signalbox',
    meaning: 'The error is none that an adapter or a route is expected to raise. The message was put into the dead letters with the stack.',
    fix: 'Report it with the output of `signalbox dlq show`; redeliver after an upgrade.',
  },
  E510: {
    title: 'RabbitMQ is not reachable',
    meaning: 'No node of the list accepted a connection, or the connection was lost. Signalbox tries all nodes again with growing waits; sources wait meanwhile.',
    fix: 'Check that RabbitMQ runs and that host, port and firewall in `bus.urls` are right; `signalbox doctor` tries every node.',
  },
  E511: {
    title: 'RabbitMQ refuses the login, the virtual host or a permission',
    meaning: 'The node answered, and said no.',
    fix: 'Check user, password and virtual host in `bus.urls`, and the permissions of the user: configure, write and read on the names that start with the prefix.',
  },
  E512: {
    title: 'RabbitMQ did not answer in time',
    meaning: 'A request got no answer within its deadline. Usual causes: a memory or disk alarm, a cluster without a majority.',
    fix: 'Look at the alarms and at the cluster state of RabbitMQ (`rabbitmq-diagnostics status`).',
  },
  E513: {
    title: 'a queue exists with other properties',
    meaning: 'Properties of a queue such as single active consumer cannot change in its life.',
    fix: 'Raise the generation of the channel: the old queue is emptied, the new one takes over.',
  },
  E514: {
    title: 'a channel was used before it was declared',
    meaning: 'The channel is in no configuration that is active in this process.',
    fix: 'Declare the channel in the configuration, or report it when it is one of Signalbox itself.',
  },
  E515: {
    title: 'the embedded bus is in use by another process',
    meaning: 'Only one process may own the files of the embedded bus.',
    fix: 'Stop the other process, or give this one a data directory of its own. For several nodes use RabbitMQ.',
  },
  E516: {
    title: 'the embedded bus is not open',
    meaning: 'The thread that owns the files ended, or was never started.',
    fix: 'Look for the first error in the log before this one: disk full or disk errors end the thread.',
  },
  E530: {
    title: 'a database file did not take a setting',
    meaning: 'SQLite reads back another value than the one that was set. Without it what Signalbox writes would not be safe, so it does not start.',
    fix: 'Use a local file system (no network share); if another program made or changed the file, move it away and restore a backup.',
  },
  E531: {
    title: 'another process uses the database',
    meaning: 'The file is locked. Only one Signalbox may work in one data directory.',
    fix: 'Stop the other process (`signalbox status` names it), or give this one its own data directory.',
  },
  E532: {
    title: 'the database was written by a newer Signalbox',
    meaning: 'The number of its schema is higher than this version knows. An older version could damage it.',
    fix: 'Start the newer version, or restore the backup taken before the upgrade.',
  },
  E533: {
    title: 'the disk is full',
    meaning: 'A write was rolled back whole; nothing that was accepted before is lost. Sources wait until there is space.',
    fix: 'Free space on the volume of the data directory; Signalbox goes on by itself.',
  },
  E534: {
    title: 'the disk failed',
    meaning: 'The operating system could not read or write the database file. What was not yet accepted comes again from its source; the file is opened anew.',
    fix: 'Look at the system log for the disk and the file system, and check free space and permissions of the data directory.',
  },
  E535: {
    title: 'the file is damaged or is not a database',
    meaning: 'SQLite cannot read the structure of the file.',
    fix: 'Restore the last backup (`signalbox restore`). Keep the damaged file for recovery with `sqlite3 .recover`.',
  },
  E536: {
    title: 'the database is closed',
    meaning: 'The thread that owns the database has ended, or was not started. What was not answered may or may not be stored.',
    fix: 'Nothing: it is opened again by itself. If this repeats, report it with the log before the first occurrence.',
  },
  E537: {
    title: 'the database file cannot be opened',
    meaning: 'The directory is missing, or the user Signalbox runs as may not write there.',
    fix: 'Create the data directory and give it to the user of the service.',
  },
} as const satisfies CodeTable;
