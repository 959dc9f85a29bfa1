import type { CodeTable } from './code.js';

/** E4xx: talking to a system outside: connections, credentials, answers. */
export const endpointCodes = {
  E400: {
    title: 'the system cannot be reached',
    meaning: 'No connection could be made, or it was lost. Messages for it wait; nothing is dropped.',
    fix: 'Check host, port and network; `signalbox systems test <name>` goes through the steps.',
  },
  E420: {
    title: 'the database cannot be reached',
    meaning: 'No connection to the database could be made, or it was lost. Nothing was changed that was not committed.',
    fix: 'Check host, port and network, and whether the database runs; `signalbox systems test <name>` goes through the steps.',
  },
  E421: {
    title: 'the database refused the login',
    meaning: 'User, password, database name or TLS certificate were not accepted.',
    fix: 'Check user, password and database in `connect`, and `tls.ca` if the certificate is signed by an own authority.',
  },
  E422: {
    title: 'a table or column does not exist',
    meaning: 'The configuration or a mapping names a table or column that the database does not have.',
    fix: 'Correct the name; the message lists names that are there.',
  },
  E423: {
    title: 'the database account lacks a right',
    meaning: 'The account of the system may not do what the endpoint needs.',
    fix: "Grant the right named in the message; the adapter's page lists the grants of each endpoint.",
  },
  E424: {
    title: 'the database is busy',
    meaning: 'A deadlock, a lock or a statement timeout ended the transaction. It was rolled back and is tried again.',
    fix: 'If it repeats: look for long transactions and locks at the database, or raise `statement_timeout` or `lock_timeout`.',
  },
  E425: {
    title: 'the inbox table is missing',
    meaning: 'Deliveries are recorded in the table signalbox_inbox so that none is applied twice, and it is not there.',
    fix: 'Let an administrator run the statement in the message, or give the account the right to create the table.',
  },
  E426: {
    title: 'the endpoint does not fit the table',
    meaning: 'The table has no key, cursor or unique index as the configuration says, or the saved position belongs to another configuration or another database.',
    fix: 'Follow the message. To read everything again: `signalbox systems reset <endpoint>`.',
  },
  E427: {
    title: 'the database refused the statement',
    meaning: 'The SQL of a call, or a type in it, is not valid for this database.',
    fix: 'Try the statement in a database client with the same account.',
  },
  E428: {
    title: 'the database has no transactions',
    meaning: 'The ODBC driver says that its database cannot do several statements as one. An effect and the record that it was made could come apart, so nothing is written.',
    fix: 'Read from this database only, or write to it through another system that has transactions (journal the files on DB2 for i).',
  },
  E429: {
    title: 'the database client cannot be loaded',
    meaning: 'The ODBC driver manager, or the driver it is to load, is not on this machine or does not fit it.',
    fix: 'Install unixODBC and the driver of the database for this processor; `odbcinst -q -d` lists the installed drivers.',
  },
  E431: {
    title: 'rows changed while they were read',
    meaning: 'Fewer or more rows were marked or removed at the source than were read: others changed, removed or claimed them meanwhile. What was read is on the bus.',
    fix: 'Look who else writes to the table; rows that are open again are read again. A key that is not unique also shows like this.',
  },
  E432: {
    title: 'the triggers of an endpoint are missing',
    meaning: 'The endpoint reads what triggers write down about a table, and the triggers or their outbox table are not there: changes are not noted.',
    fix: '`signalbox systems install-triggers <endpoint>` prints the statements; an administrator runs them, or `--apply` does.',
  },
  E433: {
    title: 'the triggers of an endpoint are of another shape',
    meaning: 'The outbox table was made by another version, or for another key of the table.',
    fix: 'Let the endpoint read what is there, then `signalbox systems remove-triggers <endpoint>` and `install-triggers` again.',
  },
  E434: {
    title: 'the endpoint needs nothing at its system',
    meaning: 'Triggers are installed for endpoints that read by triggers, and this one reads in another way.',
    fix: 'Name an endpoint whose configuration has `read: {triggers: {}}`.',
  },
  E435: {
    title: 'too many rows are gone',
    meaning: 'A comparison with the remembered table finds more deleted rows than `snapshot.guard` lets go, or an empty table. Nothing was handed over and nothing forgotten.',
    fix: 'Look at the table: it may be in the middle of being loaded. If the rows are really gone, set `snapshot.guard.allow` to the text of the message; it is good for this one time.',
  },
  E436: {
    title: 'the remembered position cannot be used',
    meaning: 'What an endpoint remembers of a table or of a stream of changes is lost, damaged, about another table, or older than what the database still has.',
    fix: 'Follow the message. `signalbox systems reset <endpoint>` begins anew; changes in between are not seen, so load the table once more (`bulk`, or the first run of `snapshot`).',
  },
  E437: {
    title: 'the rows cannot be read this way',
    meaning: 'A table without a key is too large to compare, or the rows of a query have no usable watermark.',
    fix: 'Follow the message: name a key, or change the query.',
  },
  E438: {
    title: 'the stream of changes is not there',
    meaning: 'The publication or the replication slot of `cdc` is missing, was lost, is used by another process, or the server does not write what logical replication needs.',
    fix: 'Run the SQL of the message as an administrator of the database, or follow what it says.',
  },
  E439: {
    title: 'the numbers of a table went down',
    meaning:
      'The highest number in the table is below the one that was read, or a table that was empty has rows again with numbers that were read: it was made anew and its numbers begin again, or it lost its last rows. Nothing is read, so that no new row is passed over.',
    fix: 'Look at the table. If it was made anew, set `cursor.on_reset` to `{restart: ...}` with the number of the message, and it is read from its first row, as new rows; if it only lost its last rows, to `{continue: ...}`. Either is good for this one time. Where it is normal, `restart` or `continue` alone.',
  },
  E440: {
    title: 'a folder is missing',
    meaning: 'The folder an endpoint reads or writes does not exist. A missing folder is not the same as "no files".',
    fix: 'Create the folder, mount the share, or correct the path; then reload or restart the endpoint.',
  },
  E441: {
    title: 'a folder or file may not be used',
    meaning: 'The operating system or the server refuses the access.',
    fix: 'Grant the user that Signalbox runs or logs in as read, write and rename in the folder.',
  },
  E442: {
    title: 'the host key is not the pinned one',
    meaning: 'The server showed another host key than host_key declares. Nothing was sent to it, no login was tried.',
    fix: 'Ask the operator of the server whether the key was changed on purpose, and for its fingerprint; `signalbox systems trust <name>` shows what the server has and, with --write, replaces host_key.',
  },
  E443: {
    title: 'the login was refused',
    meaning: 'The server is there and has the right host key, but accepts neither key nor password.',
    fix: 'Check user, key and password, and that the public key is authorised at the server.',
  },
  E444: {
    title: 'a path leads out of its root',
    meaning: 'A path or a link in it points outside the folder the system is confined to.',
    fix: 'Use a path below root, without .. and without symbolic links that lead out.',
  },
  E445: {
    title: 'an operation did not end in time',
    meaning: 'The server or share gave no answer within the timeout. The connection was closed and will be opened again.',
    fix: 'Check the server and the network; raise timeout when the server is slow by nature.',
  },
  E446: {
    title: 'a file operation failed',
    meaning: 'The server or disk reported an error that may pass: disk full, quota, file in use.',
    fix: 'Check free space and quota; the detail has the words of the server.',
  },
  E447: {
    title: 'an upload is incomplete',
    meaning: 'The size at the server is not the number of bytes sent. The temporary file was left out of sight of the partner.',
    fix: 'Nothing: it is tried again. If it repeats, check quota and disk of the server.',
  },
  E448: {
    title: 'the server closed the connection while connecting',
    meaning: 'The server does not offer what is needed: SFTP, or an algorithm of the allowed list.',
    fix: 'Check that the account may use SFTP; for old servers allow their algorithms in legacy_algorithms.',
  },
  E449: {
    title: 'the file system gives no answer',
    meaning: 'A call to a folder, most often on a network share, did not come back within `timeout`. Until it does no other call is made there; everything else goes on.',
    fix: 'Look at the share and the network between; mount it so that it fails instead of hanging (`soft`), or raise `timeout` if it is slow by nature.',
  },
  E450: {
    title: 'a file of the sequence is missing',
    meaning: 'Later files lie there, but they are not read before the one that is missing, and it has been missing for longer than `hold`.',
    fix: 'Ask the sender for the missing file; or let the later ones go with `signalbox files release`; or set `gap: skip`.',
  },
  E451: {
    title: 'a file is held for a person',
    meaning: 'Its name or its content came before, and `same_name` or `same_content` says `alert`. It lies in the work folder and nothing of it was read.',
    fix: 'Look at it with `signalbox files show`; then `signalbox files release` to read it.',
  },
  E452: {
    title: 'a file was rejected',
    meaning: 'A file of this name with another content was read before, and `same_name` says `reject`. It lies in the error folder and nothing of it was read.',
    fix: 'If it is right after all, read it with `signalbox files release`.',
  },
  E455: {
    title: 'the file cannot be released or read again now',
    meaning: '`release` is for a file that is held or was rejected, `reprocess` for one that lies in the archive or the error folder. Nothing was done.',
    fix: 'Look at its state with `signalbox files show`.',
  },
  E456: {
    title: 'a download is incomplete',
    meaning: 'The number of bytes that came is not the size the server says the file has. What was read is not relied on.',
    fix: 'Nothing: it is tried again. If it repeats, the sender is still writing the file, or the server tells wrong sizes.',
  },
  E457: {
    title: 'the certificate of the server was not accepted',
    meaning: 'The TLS certificate is signed by an unknown authority, has expired, or is for another name. Nothing was sent, no login was tried.',
    fix: 'Ask the operator of the server for the certificate of the authority and name its file in `ca`; `servername` is for a certificate of another name.',
  },
  E458: {
    title: 'the server does not offer what is needed',
    meaning: 'The FTP server refuses TLS, encrypted transfers or passive mode, or lists folders in a form that is not known.',
    fix: 'Follow the message. A server without TLS needs `tls: off`, which sends the password in the clear.',
  },
  E459: {
    title: 'a folder lists without end',
    meaning: 'The server names more entries in one folder than can be believed, or repeats them without end. The listing was given up.',
    fix: 'Look at the folder at the server; move away what is not needed there any more.',
  },
  E460: {
    title: 'the adapter package is not installed',
    meaning: 'A package named under `adapters:` was not found in a node_modules folder at or above the configuration directory, or its name is no package name.',
    fix: 'Install it beside the configuration (`npm install <package>`), or correct the name.',
  },
  E461: {
    title: 'the adapter package cannot be loaded',
    meaning: 'The package was found, but importing its entry or its implementation failed.',
    fix: 'Read the cause; usually a dependency of the package is missing or it was built for another Node version.',
  },
  E462: {
    title: 'the package is no adapter',
    meaning: 'The entry exports neither a default nor an `adapter` export with the shape of an adapter spec.',
    fix: 'Name the adapter package itself; an author exports `defineAdapter({...})` as default.',
  },
  E463: {
    title: 'the adapter was built for another contract',
    meaning: 'The contract number in the spec is not the one this Signalbox speaks.',
    fix: 'Install the release of the package that matches this Signalbox.',
  },
  E464: {
    title: 'the name of the adapter is not well formed',
    meaning: 'Names are lower-case words joined by hyphens, such as `sap-idoc`.',
    fix: 'Report it to the author of the package.',
  },
  E465: {
    title: 'two adapters have one name',
    meaning: 'A package brings an adapter with a name that a built-in adapter or another package has already.',
    fix: 'Remove one of the two packages.',
  },
  E466: {
    title: 'the adapter misses a schema',
    meaning: '`connect`, and the `config` of `read`, `write` and `call`, must be zod schemas: without them options cannot be checked.',
    fix: 'Report it to the author of the package.',
  },
  E467: {
    title: 'no HTTP listener is configured',
    meaning: 'An endpoint waits for HTTP requests, but this Signalbox does not listen.',
    fix: 'Add `listen:` to the settings.',
  },
  E468: {
    title: 'the HTTP path is taken or not usable',
    meaning: 'Two endpoints ask for the same method and path, or a path holds more than plain segments.',
    fix: 'Give each endpoint its own plain path, such as /hooks/orders.',
  },
  E469: {
    title: 'the HTTP listener cannot start',
    meaning: 'The address or port cannot be used, or the certificate is not readable.',
    fix: 'Check `listen:`; another process may hold the port.',
  },
  E470: {
    title: 'the system refused the credentials',
    meaning: 'It answered 401 or 403. Trying again would lock the account, so the endpoint stops.',
    fix: 'Check the secret and the rights of the account, then resume the endpoint.',
  },
  E471: {
    title: 'the system answered with a redirect',
    meaning: 'Redirects are not followed: they could carry data and credentials to another place.',
    fix: 'Put the final address into `base`.',
  },
  E472: {
    title: 'the system is busy or failing',
    meaning: 'It answered that it cannot take the request now (408, 425, 429 or 5xx). The delivery is tried again later.',
    fix: 'Nothing, if it passes; otherwise ask the owner of the system.',
  },
  E473: {
    title: 'the system refused the message',
    meaning: 'It answered that this request is wrong. Trying again would not help, so the message goes to the dead letters.',
    fix: 'Read the answer in the detail, correct the mapping or the data, then redeliver.',
  },
  E474: {
    title: 'the system reports a conflict for this request',
    meaning: 'The answer was 409: a request with the same key is still being processed, or the resource is in another state.',
    fix: 'Nothing, if it passes; if the answer means "already done", add 409 to `success`.',
  },
  E475: {
    title: 'the answer of the system cannot be used',
    meaning: 'It is larger than allowed, or not the JSON that was expected.',
    fix: 'Check the path; raise `max_answer` if the answer is rightly large.',
  },
  E476: {
    title: 'the system did not answer in time',
    meaning: 'The request was sent; whether it had an effect is unknown. It is tried again with the same idempotency key.',
    fix: 'Raise `timeout` if the system is slow by nature.',
  },
  E477: {
    title: 'the TLS connection is not trusted',
    meaning: 'The certificate is expired, for another host, or signed by an unknown authority. Nothing was sent.',
    fix: 'Correct the certificate, or name its authority with `ca`.',
  },
  E478: {
    title: 'a secret is too short or not usable',
    meaning: 'A signing secret that can be guessed, or one with characters that cannot be sent, protects nothing.',
    fix: 'Create a new one, at least 24 random bytes, and give it to both sides.',
  },
  E480: {
    title: 'the SSH agent cannot be used',
    meaning: 'agent: true asks for the keys of an SSH agent, and there is none at SSH_AUTH_SOCK, or it does not answer.',
    fix: 'Start the agent for the user that Signalbox runs as and set SSH_AUTH_SOCK in its unit, or use `key`.',
  },
  E481: {
    title: 'the system has no server to trust',
    meaning: '`signalbox systems trust` needs the host of the server from `connect` of the system, and an adapter that pins a host key.',
    fix: 'Write host (and port) of the system as plain values, then run the command again.',
  },
  E486: {
    title: 'the collected file is full',
    meaning: 'A file that collects messages has all it may have, and could not be written yet. Nothing more is taken until it is.',
    fix: 'Nothing, when it passes by itself. Otherwise the log says why the file cannot be written.',
  },
  E487: {
    title: 'the collected file cannot be written',
    meaning: 'A file of the name is there with another content, or its records do not fit the format together. The messages are kept and it is tried again.',
    fix: 'Take the other file away, or correct the options; the file is then written by itself.',
  },
} as const satisfies CodeTable;
