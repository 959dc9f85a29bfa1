import { faultsAt } from './network.js';

faultsAt('bus', ['black hole', 'SIGKILL and restart']);
