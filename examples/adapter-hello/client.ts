import { Misconfigured, NotConnected } from '../../adapters/contract/index.js';
import type { Connect } from './config.js';
import { findWorld, type World } from './world.js';

/** Gives the world, or says why not. */
export type Link = () => World;

/** @throws NotConnected, Misconfigured: the client translates what can go wrong into the failures the runtime knows */
export function connect(options: Connect): World {
  const world = findWorld(options.world);
  if (!world) throw new NotConnected('E400', `there is no world ${options.world}`);
  if (world.asleep) throw new NotConnected('E400', `the world ${options.world} is asleep`);
  if (world.password !== options.password.reveal()) throw new Misconfigured('E470', `the world ${options.world} refused the password`);
  return world;
}
