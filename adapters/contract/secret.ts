import { inspect } from 'node:util';

/**
 * A secret value: shows only its name wherever it is printed, logged or serialised. `reveal` is called where the client library
 * takes the value and nowhere else.
 */
export class Secret {
  readonly name: string;
  readonly #value: string;

  constructor(name: string, value: string) {
    this.name = name;
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return `[secret:${this.name}]`;
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }
}
