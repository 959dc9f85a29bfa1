// The outside system of this example: a place in memory where greetings lie and answers are kept. A real adapter has a client library here.

export interface World {
  readonly password: string;
  /** JSON texts, oldest first; only ever appended. */
  readonly greetings: string[];
  /** Answers by the id they were sent with. */
  readonly answers: Map<string, string>;
  asleep: boolean;
}

const worlds = new Map<string, World>();

export function createWorld(name: string, password: string): World {
  const world: World = { password, greetings: [], answers: new Map(), asleep: false };
  worlds.set(name, world);
  return world;
}

export function findWorld(name: string): World | undefined {
  return worlds.get(name);
}
