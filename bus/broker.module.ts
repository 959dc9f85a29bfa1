import { ContainerModule } from 'inversify';
import { CLOCK, LOGGER } from '../adapters/contract/injection.js';
import { BROKER, type Broker } from './broker.js';
import { EmbeddedBroker, type EmbeddedOptions } from './embedded/embedded-broker.js';
import { RabbitmqBroker, type RabbitmqOptions } from './rabbitmq/rabbitmq-broker.js';

/** Which broker, from the configuration's `bus`. */
export type BrokerChoice = ({ readonly kind: 'embedded' } & Omit<EmbeddedOptions, 'clock' | 'log'>) | ({ readonly kind: 'rabbitmq' } & Omit<RabbitmqOptions, 'clock' | 'log'>);

/** Binds the one broker of the process. It is opened and closed by the supervisor, not by the container. */
export function brokerModule(choice: BrokerChoice): ContainerModule {
  return new ContainerModule(({ bind }) => {
    bind(BROKER)
      .toDynamicValue((context): Broker => {
        const services = { clock: context.get(CLOCK), log: context.get(LOGGER) };
        return choice.kind === 'embedded' ? new EmbeddedBroker({ ...choice, ...services }) : new RabbitmqBroker({ ...choice, ...services });
      })
      .inSingletonScope();
  });
}
