import { globSync } from 'node:fs';

// Tests run the JavaScript that tsc wrote, with no transform: what is tested is what ships, workers and bins included.
// The list comes from the sources, so that a stale file in dist/ is never run.
const tests = globSync('test/**/*.test.ts', { cwd: import.meta.dirname }).map((file) => `<rootDir>/dist/${file.replace(/\.ts$/, '.js')}`);

export default {
  testEnvironment: '<rootDir>/dist/test/support/environment.js',
  roots: ['<rootDir>/dist'],
  testMatch: tests,
  transform: {},
  snapshotResolver: '<rootDir>/dist/test/support/snapshots.js',
  globalSetup: '<rootDir>/dist/test/services/setup.js',
  globalTeardown: '<rootDir>/dist/test/services/teardown.js',
  reporters: ['default', '<rootDir>/dist/test/support/reporter.js'],
  coverageProvider: 'v8',
  collectCoverageFrom: ['<rootDir>/dist/{bus,adapters,routes,config,cli}/**/*.js'],
  // Many tests wait for servers: a third worker fills the time of the others.
  maxWorkers: 3,
  testTimeout: 30_000,
  workerIdleMemoryLimit: '512MB',
};
