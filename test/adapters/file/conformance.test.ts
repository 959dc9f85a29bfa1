import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import file from '../../../adapters/file/index.js';
import { adapterConformance } from '../../kit/adapter/index.js';
import { cleanFolders, inboundFiles, outboundFiles } from '../files/samples.js';

const root = mkdtempSync(join(tmpdir(), 'signalbox-file-'));

adapterConformance('file', {
  spec: file,
  clean: async () => cleanFolders(root),
  stop: async () => rmSync(root, { recursive: true, force: true }),
  connect: () => ({ root }),
  unreachable: () => ({ root: `${root}-not-mounted` }),
  breakLink: async () => renameSync(root, `${root}-away`),
  healLink: async () => renameSync(`${root}-away`, root),
  inbound: inboundFiles(() => root),
  outbound: outboundFiles(() => root),
  waivers: { 'wrong credentials are Misconfigured, and a failed step of the probe': 'a local folder has no credentials' },
});
