import { faultsAt } from './network.js';

faultsAt('files', ['black hole', 'SIGKILL and restart']);
