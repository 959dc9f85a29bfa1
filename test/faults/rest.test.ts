import { faultsAt } from './network.js';

faultsAt('partner', ['black hole', 'SIGKILL and restart']);
