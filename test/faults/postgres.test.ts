import { faultsAt } from './network.js';

faultsAt('source', ['black hole', 'SIGKILL and restart']);
