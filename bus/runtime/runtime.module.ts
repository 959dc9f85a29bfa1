import { ContainerModule } from 'inversify';
import { CLOCK } from '../../adapters/contract/injection.js';
import { Intake } from './intake.js';
import { LetterRepair } from './letter-repair.js';
import { alone } from './nodes.js';
import { DurablePublisher } from './publisher.js';
import { Redelivery } from './redelivery.js';
import { Resolution } from './resolution.js';
import { Supervisor } from './supervisor.js';
import { NODES, type Nodes, ROUTING, type Routing } from './tokens.js';
import { Watchdog } from './watchdog.js';

/** The runtime's own parts. Broker, store, log, clock, telemetry and node come from the composition root. */
export function runtimeModule(nodes: Nodes = alone): ContainerModule {
  return new ContainerModule(({ bind }) => {
    bind(NODES).toConstantValue(nodes);
    bind(ROUTING).toConstantValue(unconfigured());
    bind(Watchdog).toSelf().inSingletonScope();
    // By way of the watchdog, which compares what was published with what is handed out.
    bind(DurablePublisher)
      .toDynamicValue((context) => new DurablePublisher(context.get(Watchdog).broker, context.get(CLOCK)))
      .inSingletonScope();
    bind(Intake).toSelf().inSingletonScope();
    bind(Supervisor).toSelf().inSingletonScope();
    bind(Redelivery).toSelf().inSingletonScope();
    bind(Resolution).toSelf().inSingletonScope();
    bind(LetterRepair).toSelf().inSingletonScope();
  });
}

/** Before the first revision is applied nothing can come in, so nothing may ask. */
function unconfigured(): Routing {
  const fail = (): never => {
    throw new Error('no revision runs yet');
  };
  return { handler: { revision: 0, receive: fail, route: fail, retry: fail, messageIds: fail, sources: [], targets: [] } };
}
