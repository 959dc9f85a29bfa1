import type { Mutation } from './node.js';

/** The core broken on purpose, at its seams: the simulation must find each of them. */
export const MUTATIONS: Readonly<Record<string, Mutation>> = {};
