import type { CodeTable } from './code.js';

/** E5xx: the bus itself: broker, store, runtime, commands. */
export const busCodes = {
  E500: {
    title: 'an unexpected error inside Signalbox',
    meaning: 'The error is none that an adapter or a route is expected to raise. The message was put into the dead letters with the stack.',
    fix: 'Report it with the output of `signalbox dlq show`; redeliver after an upgrade.',
  },
  E501: {
    title: 'a message in a channel is none of Signalbox',
    meaning: 'Something else wrote into a queue of Signalbox, or the message was damaged. It was put into the dead letters as it is.',
    fix: 'Find the foreign publisher; give Signalbox a virtual host and user of its own.',
  },
  E502: {
    title: 'the message was handed out too often without an end',
    meaning: 'Handling this message ended with a crash or a lost connection several times. It was set aside so that the others can go on.',
    fix: 'Look at the log around the crashes; `signalbox dlq redeliver` hands it out again.',
  },
  E504: {
    title: 'the bus did not take the message',
    meaning: 'The broker refused to store it, or could not be reached. The sender was not told that it was accepted.',
    fix: '`signalbox status` shows the state of the bus: connection, alarms, a channel at its limit.',
  },
  E505: {
    title: 'the message is larger than the bus takes',
    meaning: 'What is mapped for a target may have 64 MiB: on its way it is in memory several times. The record was put into the dead letters.',
    fix: 'Split it in the route (`split:`), or map only what the target needs; then redeliver.',
  },
  E507: {
    title: 'no route reads the endpoint',
    meaning: 'The endpoint is configured, but no inbound route takes what it reads. Nothing is read or accepted there, so nothing is lost.',
    fix: 'Add a route with `from:` this endpoint and reload, or remove the endpoint.',
  },
  E508: {
    title: 'the adapter does not offer the endpoint',
    meaning: 'The adapter could not set up the system or one of its endpoints. The others go on; messages for the endpoint wait in its channel.',
    fix: 'Read the reason in `signalbox status`; correct the configuration or install the right version of the adapter package, then reload.',
  },
  E509: {
    title: 'messages wait for an endpoint that is not configured any more',
    meaning: 'The system or endpoint was removed from the configuration while its channel held messages. They are kept.',
    fix: 'Configure the endpoint again and reload: they are delivered. Remove it when its channel is empty.',
  },
  E510: {
    title: 'RabbitMQ is not reachable',
    meaning: 'No node of the list accepted a connection, or the connection was lost. Signalbox tries all nodes again with growing waits; sources wait meanwhile.',
    fix: 'Check that RabbitMQ runs and that host, port and firewall in `bus.urls` are right.',
  },
  E511: {
    title: 'RabbitMQ refuses the login, the virtual host or a permission',
    meaning: 'The node answered, and said no.',
    fix: 'Check user, password and virtual host in `bus.urls`, and the permissions of the user: configure, write and read on the names that start with the prefix. Without the right to configure, an administrator imports what `signalbox topology export` prints.',
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
  E517: {
    title: 'the TLS connection to RabbitMQ is refused',
    meaning: "The broker's certificate is expired, for another host or signed by an unknown authority, or the broker does not accept ours. Nothing was sent.",
    fix: 'Name the authority of the broker in `bus.tls.ca`; check that the host of the URL is in its certificate; check `bus.tls.cert` and `key` when the broker asks for a certificate.',
  },
  E520: {
    title: 'the endpoint is paused',
    meaning: 'A person paused it. Callers are told to come again later (503); nothing they send now is taken.',
    fix: '`signalbox systems resume` lets it go on.',
  },
  E523: {
    title: 'the data directory is on a network file system',
    meaning: 'The locks of SQLite do not work there, and what was written may not be on a disk: two nodes could damage the file, and a failure of the network lose messages.',
    fix: 'Use a directory on a local disk (`store: {directory: ...}`). For several nodes use RabbitMQ and PostgreSQL.',
  },
  E524: {
    title: 'the management API of RabbitMQ cannot be read',
    meaning: 'Only `signalbox doctor` reads it, to see policies, members of the queues and the state of the nodes. Messages do not need it.',
    fix: 'Correct `bus.management`: scheme, host, port (15672), user and password. Give the user the tag `monitoring`.',
  },
  E525: {
    title: 'a call did not end in time',
    meaning:
      'A call of a target ran a minute longer than the adapter allows it to take. It was left behind, the link was opened anew, and the delivery is made again with the same id.',
    fix: 'Nothing when it does not repeat. Otherwise look at the target, and report it with the name of the adapter: its own timeout should have ended the call.',
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
  E538: {
    title: 'the volume of the embedded bus has little space left',
    meaning: 'Nothing new is accepted: sources wait, senders are told to come again. What was accepted is delivered. At the very end a reserve is given back for that.',
    fix: 'Free space on the volume of the state directory, or move it to a larger one; Signalbox goes on by itself. `bus: {embedded: {min_free: …}}` sets the limit.',
  },
  E540: {
    title: 'the PostgreSQL of the store is not reachable',
    meaning: 'No host of `store.postgres` that takes writes accepted a connection, or the connection was lost. What was not answered was not stored; it is asked for again.',
    fix: 'Check that PostgreSQL runs and that host, port and firewall are right; of a cluster, list all members.',
  },
  E541: {
    title: 'the PostgreSQL of the store refuses the login',
    meaning: 'User, password or database are refused, or the certificate of the server could not be verified.',
    fix: 'Correct `store.postgres`. Give `tls.ca` when the certificate is signed by your own authority; `tls: "off"` is meant for the same machine.',
  },
  E542: {
    title: 'the PostgreSQL of the store cannot be used as it is',
    meaning: 'A right or a table is missing, the database has another encoding than UTF8, or the server is set up to lose data when the power fails (`fsync = off`).',
    fix: 'Give the user a database of its own, encoded in UTF8, in which it may create a schema; or create the schema with the user as its owner.',
  },
  E543: {
    title: 'the PostgreSQL of the store is busy',
    meaning: 'A lock was not free in time, a statement took too long, or the server is short of space or connections. Nothing of the call was stored.',
    fix: 'Look at the disk space and at `pg_stat_activity` of the server for what holds it up; Signalbox tries again by itself.',
  },
  E544: {
    title: 'nobody knows whether PostgreSQL stored a write',
    meaning:
      'The connection was lost while the write was committed, and the database could not be asked for too long. Repeating is safe for messages; a line of the history may be there twice.',
    fix: 'Make PostgreSQL reachable again; the write is repeated by itself.',
  },
  E550: {
    title: 'no running Signalbox answers',
    meaning: 'The command talks to the running service over its admin socket, and nobody listens there.',
    fix: 'Start it with `signalbox run`, or point at the right one with `--config DIR` or `--socket FILE`.',
  },
  E551: {
    title: 'another Signalbox runs with this state directory',
    meaning: 'The admin socket of the state directory is answered by a running process. Two of them would read every source twice.',
    fix: 'Use the one that runs (`signalbox status`), stop it first, or give this one a state directory of its own (`store.directory`, or `STATE_DIRECTORY` in its environment).',
  },
  E552: {
    title: 'nothing has this name',
    meaning: 'The running configuration has no system, endpoint, route, message or dead letter of this name. Commands that change something want the exact name.',
    fix: 'Look the name up: `signalbox systems list`, `signalbox routes list`, `signalbox messages search`, `signalbox dlq list`.',
  },
  E553: {
    title: 'the admin API has no such call',
    meaning: 'The method and path are none that the running version answers.',
    fix: 'Use the command line of the version that runs; `signalbox status` names it.',
  },
  E554: {
    title: 'the request does not fit the call',
    meaning: 'A parameter or a member of the JSON body is missing, unknown or not of its form. Nothing was done.',
    fix: 'Correct what the message names.',
  },
  E555: {
    title: 'the admin socket cannot be made',
    meaning: 'The state directory is not writable, or its path is longer than the operating system allows for a socket (107 bytes on Linux).',
    fix: 'Correct owner and mode of the state directory, or choose a shorter path.',
  },
  E556: {
    title: 'the answer of the running Signalbox was not understood',
    meaning: 'The connection was cut, or the answer is not of the form this version of the command line expects. The request may have been carried out.',
    fix: 'Look at `signalbox status` and the log of the service; use the command line of the version that runs.',
  },
  E557: {
    title: 'the file is there already',
    meaning: '`signalbox init` writes a starting configuration and never overwrites a file. Nothing was written.',
    fix: 'Choose an empty directory.',
  },
  E558: {
    title: 'the command wants a confirmation',
    meaning: 'It would change more than one message, and there is no terminal to ask. Nothing was done.',
    fix: 'Look at the count and the sample, then run it again with `--yes`.',
  },
  E560: {
    title: 'the payload is not at the claim check',
    meaning:
      'A payload above 256 KiB waits in the store, and the message in the channel only refers to it. The store has no such payload: it was restored from an older backup, it is not the store the message was published with, or the message waited longer than the history is kept.',
    fix: 'Let all nodes use one store; after a restore bring back the store of the same time as the bus. The record itself can be sent again from its source, then `signalbox dlq discard` closes this letter.',
  },
  E570: {
    title: 'it waits behind an earlier delivery of its key',
    meaning: 'Its route is ordered (`order_by`), and an earlier delivery with the same key to the same target is parked. It is delivered after that one.',
    fix: 'See what is wrong with the first one (`signalbox parked show`), correct it, then `signalbox parked release`; or give the first one up with `signalbox parked discard`.',
  },
  E571: {
    title: 'the parked key cannot be released',
    meaning: 'What is parked under this name is not the key of an order, or its target is not configured any more. Nothing was done.',
    fix: 'A delivery of unknown outcome is settled with `signalbox ledger resolve`; a target that is gone must be configured again, or its deliveries discarded.',
  },
  E572: {
    title: 'the parked delivery cannot be discarded now',
    meaning: 'Its key was released, so it may be under way. Nothing was done.',
    fix: 'Wait: it is delivered, or parked again. Look with `signalbox parked show`.',
  },
  E580: {
    title: 'the outcome of a delivery is not known',
    meaning:
      'The request was sent and not answered (a timeout, a lost connection, a crash in between), so the target may have it or not. `on_unknown: park` keeps it for a person.',
    fix: 'Look at the target, then `signalbox ledger resolve ID --delivered`, `--resend` or `--discard`.',
  },
  E581: {
    title: 'whether a delivery was made could not be found out',
    meaning: 'Its outcome is not known, and the target did not say yes or no when it was asked. It is asked again as the retry policy says, and then parked for a person.',
    fix: 'Nothing, if it passes. For a parked one: look at the target, then `signalbox ledger resolve ID --delivered`, `--resend` or `--discard`.',
  },
  E590: {
    title: 'a source made no progress',
    meaning:
      'Opening or reading it brought neither records nor an end for longer than `poll_timeout`. The call was ended by force and the endpoint is opened anew; nothing is lost.',
    fix: 'Look at the system and the network between; raise `poll_timeout` when one batch may take that long.',
  },
} as const satisfies CodeTable;
