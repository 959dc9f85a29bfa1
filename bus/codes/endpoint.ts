import type { CodeTable } from './code.js';

/** E4xx: talking to a system outside: connections, credentials, answers. */
export const endpointCodes = {
  E400: {
    title: 'the system cannot be reached',
    meaning: 'No connection could be made, or it was lost. Messages for it wait; nothing is dropped.',
    fix: 'Check host, port and network; `signalbox systems test <name>` goes through the steps.',
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
    fix: 'Ask the operator of the server whether the key was changed on purpose; then replace the fingerprint in host_key.',
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
} as const satisfies CodeTable;
