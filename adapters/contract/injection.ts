import type { ServiceIdentifier } from 'inversify';
import type { Clock, HttpHost, Logger } from './services.js';

// Adapters take the decorators from here, so that a package always uses the container library of the Signalbox it runs in.
export { inject, injectable } from 'inversify';

/** A typed name for an interface, beside the interface it names. */
export function token<T>(name: string): ServiceIdentifier<T> {
  return Symbol.for(`signalbox.${name}`) as ServiceIdentifier<T>;
}

export const LOGGER = token<Logger>('Logger');
export const CLOCK = token<Clock>('Clock');
export const HTTP_HOST = token<HttpHost>('HttpHost');
