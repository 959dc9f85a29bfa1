import { faultsAt } from './network.js';

faultsAt('reports', ['black hole', 'SIGKILL and restart']);
