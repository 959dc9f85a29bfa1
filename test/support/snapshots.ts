import { basename, dirname, join } from 'node:path';

// dist/test/a/b.test.js <-> test/a/__snapshots__/b.test.ts.snap
export default {
  resolveSnapshotPath: (test: string, extension: string): string =>
    join(dirname(test.replace('/dist/test/', '/test/')), '__snapshots__', basename(test).replace(/\.js$/, `.ts${extension}`)),
  resolveTestPath: (snapshot: string, extension: string): string =>
    join(dirname(dirname(snapshot.replace('/test/', '/dist/test/'))), basename(snapshot, extension).replace(/\.ts$/, '.js')),
  testPathForConsistencyCheck: '/project/dist/test/example.test.js',
};
